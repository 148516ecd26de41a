import { describe, expect, it } from 'vitest';
import type { Status } from '../src/protocol';
import { overlayFor, type Situation } from '../src/ui/overlay';

const app = { state: 'running', pid: 7, exit_code: null, signal: null, restarts: 0 } as const;
const running: Status = { type: 'status', state: 'running', message: '', app };
const calm: Situation = {
  title: 'GIMP',
  host: 'hub.example.org',
  connected: true,
  wasShown: false,
  refusal: null,
  bye: null,
  status: running,
  shown: true,
  giveUp: null,
  mayControl: true,
  hasHome: true,
};

const cases: [name: string, change: Partial<Situation>, expected: Record<string, unknown>][] = [
  ['nothing lies over a picture', {}, { state: 'connected', title: null }],
  ['the first connection', { connected: false }, { state: 'connecting', busy: true }],
  ['a lost connection', { connected: false, wasShown: true }, { state: 'reconnecting', busy: true }],
  [
    'the streamer’s last words',
    { connected: false, bye: 'Too many.' },
    { state: 'reconnecting', title: 'Too many.' },
  ],
  ['a stopped session', { connected: false, refusal: 'stopped' }, { state: 'stopped', action: 'home' }],
  ['no way in', { connected: false, refusal: 'forbidden' }, { state: 'failed', action: 'reload' }],
  [
    'a network that lets no WebSocket through names it, and who can help',
    { connected: false, refusal: 'no_websocket' },
    {
      state: 'failed',
      detail: expect.stringMatching(/WebSocket.*hub\.example\.org.*administrator/) as string,
    },
  ],
  [
    'the desktop’s own progress',
    { status: { ...running, state: 'starting', message: 'Starting the screen.' } },
    { state: 'starting', detail: 'Starting the screen.', busy: true },
  ],
  [
    'a frozen desktop says what wakes it, and lets that through',
    { status: { ...running, sleep: 'frozen' } },
    { state: 'frozen', title: 'GIMP is frozen', passive: true },
  ],
  ['an awake one says nothing', { status: { ...running, sleep: 'awake' } }, { state: 'connected' }],
  [
    'a desktop that cannot start says why',
    { status: { ...running, state: 'failed', message: 'Xtigervnc is not installed.' } },
    { state: 'failed', detail: 'Xtigervnc is not installed.' },
  ],
  [
    'waiting for the picture after a reconnection',
    { shown: false, wasShown: true },
    { state: 'reconnecting' },
  ],
  ['waiting for a picture', { shown: false }, { state: 'starting', busy: true }],
  [
    'an app that ended',
    { status: { ...running, app: { ...app, state: 'exited', exit_code: 3 } } },
    { state: 'ended', title: 'GIMP has ended.', detail: 'It ended with exit code 3.', action: 'restart' },
  ],
  [
    'an app that is not installed says how to get it',
    { status: { ...running, message: 'Install gimp.', app: { ...app, state: 'exited', exit_code: 127 } } },
    { state: 'ended', title: 'GIMP could not be started.', detail: 'Install gimp.', action: 'restart' },
  ],
  [
    'an app without its window yet, which takes nothing from the user',
    { status: { ...running, app: { ...app, state: 'starting' } } },
    { state: 'starting', title: 'GIMP is starting', passive: true },
  ],
  [
    'no transport left',
    { shown: false, giveUp: { reason: 'nothing_left', sentence: 'Try this.' } },
    { state: 'failed', detail: 'Try this.', action: 'reload' },
  ],
  [
    'a forced transport that cannot work',
    { shown: false, giveUp: { reason: 'forced', sentence: 'Remove it.' } },
    { state: 'failed', action: 'choose' },
  ],
];

describe('what is said over the picture', () => {
  it.each(cases)('%s', (_, change, expected) => {
    expect(overlayFor({ ...calm, ...change })).toMatchObject(expected);
  });

  it('offers a watcher no restart', () => {
    const ended = { ...running, app: { ...app, state: 'exited' } } as const;
    expect(overlayFor({ ...calm, mayControl: false, status: ended })).not.toHaveProperty('action');
  });

  it('offers no way home where there is no hub', () => {
    const content = overlayFor({ ...calm, connected: false, refusal: 'stopped', hasHome: false });
    expect(content).not.toHaveProperty('action');
  });
});
