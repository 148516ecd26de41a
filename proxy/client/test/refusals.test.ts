import { describe, expect, it } from 'vitest';
import type { ErrorMessage, Transport } from '../src/protocol';
import { Blockage, fallbackSentence, isTold } from '../src/refusals';
import type { Reached } from '../src/server';
import { strings } from '../src/strings';

const error = (code: string, field?: string): ErrorMessage =>
  field === undefined ? { type: 'error', code, message: 'm' } : { type: 'error', code, message: 'm', field };

it.each([
  ['too_large', undefined, false, true],
  ['forbidden', 'type', false, true],
  ['too_many_viewers', undefined, false, true],
  ['forbidden', 'width', false, false],
  ['forbidden', 'height', false, false],
  ['not_ready', undefined, false, false],
  ['not_ready', undefined, true, true],
  ['bad_message', undefined, true, false],
])('%s (%s), microphone on: %s -> told: %s', (code, field, speaking, told) => {
  expect(isTold(error(code, field), speaking)).toBe(told);
});

it('names what is missing when a lesser transport takes over by itself', () => {
  const said = (transport: Transport | null, forced: Transport | null, plays: boolean) =>
    fallbackSentence(transport, forced, plays, 'hub.example.org');
  expect(said('http', null, true)).toContain('WebSocket connections to hub.example.org are blocked');
  expect(said('rfb', null, false)).toBe(strings.slowFallback);
  expect(said('rfb', null, true)).toBeNull();
  expect(said('http', 'http', true)).toBeNull();
  expect(said('webrtc', null, true)).toBeNull();
});

function after(reached: Reached[], forced: Transport | null = null) {
  const blockage = new Blockage();
  return reached.map(one => blockage.notOpened(one, forced)).at(-1);
}

describe('a viewer socket that does not open', () => {
  it.each<[string, Reached[], Transport | null, unknown]>([
    ['once is an accident', ['fine'], null, { refusal: null, poll: false }],
    ['twice, and it goes by requests', ['fine', 'fine'], null, { refusal: null, poll: true }],
    ['an outage between counts anew', ['fine', 'unreachable', 'fine'], null, { refusal: null, poll: false }],
    [
      'who wants a WebSocket is told',
      ['fine', 'fine'],
      'websocket',
      { refusal: 'no_websocket', poll: false },
    ],
    ['and still is', ['fine', 'fine', 'fine'], 'rfb', { refusal: 'no_websocket', poll: false }],
    ['a stopped session is named', ['stopped'], null, { refusal: 'stopped', poll: false }],
    ['and so is one of somebody else', ['forbidden'], null, { refusal: 'forbidden', poll: false }],
    ['a streamer that starts is waited for', ['not_ready'], null, { refusal: null, poll: false }],
  ])('%s', (_, reached, forced, expected) => {
    expect(after(reached, forced)).toEqual(expected);
  });

  it('counts anew once it was open', () => {
    const blockage = new Blockage();
    blockage.notOpened('fine', null);
    blockage.opened();
    expect(blockage.notOpened('fine', null).poll).toBe(false);
  });
});
