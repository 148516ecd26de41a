import { describe, expect, it } from 'vitest';
import { initialLadder, ladder, type LadderAction, type LadderEvent, type LadderState } from '../src/ladder';
import type { Transport } from '../src/protocol';

const ALL: Transport[] = ['webrtc', 'websocket', 'rfb'];

function connect(able = ALL, avoidWebrtc = false, offered = ALL): LadderEvent {
  return { type: 'connected', offered, able, avoidWebrtc };
}
const frame = (transport: Transport): LadderEvent => ({ type: 'first_frame', transport });
const fail = (transport: Transport): LadderEvent => ({ type: 'failed', transport });

function say(actions: LadderAction[]): string[] {
  return actions.map(a => (a.type === 'give_up' ? `give_up ${a.reason}` : `${a.type} ${a.transport}`));
}

/** Runs `events` and returns the last state and what each event led to. */
function run(
  events: LadderEvent[],
  forced: Transport | null = null,
): { state: LadderState; said: string[][] } {
  let state = initialLadder(forced);
  const said: string[][] = [];
  for (const event of events) {
    const step = ladder(state, event);
    state = step.state;
    said.push(say(step.actions));
  }
  return { state, said };
}

interface Case {
  name: string;
  forced?: Transport;
  events: LadderEvent[];
  said: string[][];
  shown: Transport | null;
}

const cases: Case[] = [
  {
    name: 'starts the WebSocket at once and tries WebRTC behind it',
    events: [connect()],
    said: [['start websocket', 'start webrtc']],
    shown: null,
  },
  {
    name: 'climbs to WebRTC at its first decoded frame',
    events: [connect(), frame('websocket'), frame('webrtc')],
    said: [
      ['start websocket', 'start webrtc'],
      ['show websocket'],
      ['show webrtc', 'stop websocket', 'remember webrtc'],
    ],
    shown: 'webrtc',
  },
  {
    name: 'keeps WebRTC when it was there before the WebSocket',
    events: [connect(), frame('webrtc'), frame('websocket')],
    said: [['start websocket', 'start webrtc'], ['show webrtc', 'stop websocket', 'remember webrtc'], []],
    shown: 'webrtc',
  },
  {
    name: 'stays on the WebSocket where WebRTC does not get through, and remembers',
    events: [connect(), frame('websocket'), fail('webrtc')],
    said: [['start websocket', 'start webrtc'], ['show websocket'], ['stop webrtc', 'remember websocket']],
    shown: 'websocket',
  },
  {
    name: 'does not try what failed a short while ago',
    events: [connect(ALL, true), frame('websocket')],
    said: [['start websocket'], ['show websocket']],
    shown: 'websocket',
  },
  {
    name: 'falls back to the WebSocket when WebRTC starves',
    events: [connect(), frame('websocket'), frame('webrtc'), fail('webrtc'), frame('websocket')],
    said: [
      ['start websocket', 'start webrtc'],
      ['show websocket'],
      ['show webrtc', 'stop websocket', 'remember webrtc'],
      ['stop webrtc', 'remember websocket', 'start websocket'],
      ['show websocket'],
    ],
    shown: 'websocket',
  },
  {
    name: 'waits for WebRTC, already on its way, when the WebSocket cannot show a picture',
    events: [connect(), fail('websocket'), frame('webrtc')],
    said: [['start websocket', 'start webrtc'], ['stop websocket'], ['show webrtc', 'remember webrtc']],
    shown: 'webrtc',
  },
  {
    name: 'goes down to noVNC, then gives up',
    events: [connect(), fail('websocket'), fail('webrtc'), fail('rfb')],
    said: [
      ['start websocket', 'start webrtc'],
      ['stop websocket'],
      ['stop webrtc', 'start rfb'],
      ['stop rfb', 'give_up nothing_left'],
    ],
    shown: null,
  },
  {
    name: 'uses WebRTC where the browser has no WebCodecs',
    events: [connect(['webrtc', 'rfb']), frame('webrtc')],
    said: [['start webrtc'], ['show webrtc', 'remember webrtc']],
    shown: 'webrtc',
  },
  {
    name: 'uses noVNC where the browser has no H.264 at all',
    events: [connect(['rfb']), frame('rfb')],
    said: [['start rfb'], ['show rfb']],
    shown: 'rfb',
  },
  {
    name: 'offers only what the streamer has',
    events: [connect(ALL, false, ['websocket', 'rfb'])],
    said: [['start websocket']],
    shown: null,
  },
  {
    name: 'keeps to the forced rung',
    forced: 'rfb',
    events: [connect(), frame('rfb')],
    said: [['start rfb'], ['show rfb']],
    shown: 'rfb',
  },
  {
    name: 'says that a forced rung cannot work',
    forced: 'websocket',
    events: [connect(['rfb'])],
    said: [['give_up forced']],
    shown: null,
  },
  {
    name: 'does not leave a forced rung that fails',
    forced: 'webrtc',
    events: [connect(), fail('webrtc')],
    said: [['start webrtc'], ['stop webrtc', 'give_up forced']],
    shown: null,
  },
  {
    name: 'stops everything at a disconnection and begins anew',
    events: [connect(), frame('websocket'), { type: 'disconnected' }, connect(), frame('websocket')],
    said: [
      ['start websocket', 'start webrtc'],
      ['show websocket'],
      ['stop websocket', 'stop webrtc'],
      ['start websocket', 'start webrtc'],
      ['show websocket'],
    ],
    shown: 'websocket',
  },
  {
    name: 'ignores what comes from rungs that do not run',
    events: [connect(['rfb']), frame('webrtc'), fail('websocket')],
    said: [['start rfb'], [], []],
    shown: null,
  },
];

describe('ladder', () => {
  it.each(cases)('$name', ({ forced, events, said, shown }) => {
    const result = run(events, forced ?? null);
    expect(result.said).toEqual(said);
    expect(result.state.shown).toBe(shown);
  });

  it('in every order of events, what is shown runs, and nothing ends without a picture, a try or a word', () => {
    const events = [
      ...ALL.map(frame),
      ...ALL.map(fail),
      connect(),
      connect(['rfb']),
      { type: 'disconnected' as const },
    ];
    const walk = (state: LadderState, depth: number): void => {
      if (state.shown !== null) {
        expect(state.running).toContain(state.shown);
      }
      for (const event of depth > 0 ? events : []) {
        const step = ladder(state, event);
        const gaveUp = step.actions.some(a => a.type === 'give_up');
        if (event.type === 'failed' && state.running.includes(event.transport)) {
          expect(step.state.running.length > 0 || gaveUp).toBe(true);
        }
        walk(step.state, depth - 1);
      }
    };
    walk(ladder(initialLadder(null), connect()).state, 4);
  });
});
