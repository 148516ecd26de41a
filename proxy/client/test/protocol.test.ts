import { expect, it } from 'vitest';
import { decodeMedia, encodeAck, parseServerMessage, utf8Length } from '../src/protocol';

function packet(...bytes: number[]): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

it('reads the header of a video frame, big-endian', () => {
  const data = packet(1, 1, 0x01, 0x02, 0, 0, 0x10, 0x05, 0, 0, 0, 1, 0, 0, 0, 2, 0xaa, 0xbb);
  expect(decodeMedia(data)).toEqual({
    kind: 'video',
    keyframe: true,
    epoch: 0x0102,
    id: 0x1005,
    captureUs: 2 ** 32 + 2,
    payload: new Uint8Array([0xaa, 0xbb]),
  });
});

it('reads sound, which has no keyframes', () => {
  const data = packet(2, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9, 1);
  expect(decodeMedia(data)).toMatchObject({ kind: 'audio', keyframe: false, id: 7, captureUs: 9 });
});

it.each([
  ['too short', packet(1, 1, 0)],
  ['empty', packet()],
  ['an unknown kind', packet(9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)],
])('takes no packet that is %s', (_, data) => {
  expect(decodeMedia(data)).toBeNull();
});

it('writes an acknowledgement as documented', () => {
  expect([...new Uint8Array(encodeAck(0x01020304, 5, 7.9))]).toEqual([1, 7, 0, 5, 1, 2, 3, 4]);
  expect([...new Uint8Array(encodeAck(1, 1_000_000, 1e6))].slice(1, 4)).toEqual([0xff, 0xff, 0xff]);
  expect(new Uint8Array(encodeAck(1, 0, -3))[1], 'a clock that was set back').toBe(0);
});

it.each(['', 'no json', '[]', 'null', '5', '{}', '{"type":"later"}', '{"type":3}'])(
  'passes over %j',
  text => {
    expect(parseServerMessage(text)).toBeNull();
  },
);

it('reads a message it knows', () => {
  expect(parseServerMessage('{"type":"viewers","count":2}')).toEqual({ type: 'viewers', count: 2 });
});

it('counts bytes, not characters', () => {
  expect(utf8Length('Grüße 😀')).toBe(12);
});
