import { describe, expect, it } from 'vitest';
import {
  initialLadder,
  ladder,
  NO_MEMORY,
  retryAt,
  type Conditions,
  type LadderAction,
  type LadderEvent,
  type LadderState,
  type Memory,
} from '../src/ladder';
import type { Transport } from '../src/protocol';
import { CLOSE_PING_MS } from '../src/socket';
import { Starvation } from '../src/starvation';

const ALL: Transport[] = ['webrtc', 'websocket', 'rfb'];
const EVERY: Transport[] = [...ALL, 'http'];
const MINUTE = 60_000;
/** Any time after 1970 will do. */
const T = 1_000_000_000;

/** `LadderEvent`s without their time, which is told apart: [milliseconds after T, event]. */
type Undated = LadderEvent extends infer E ? (E extends unknown ? Omit<E, 'now'> : never) : never;
type Step = [at: number, event: Undated] | Undated;

const connect = (able = ALL, memory: Memory = NO_MEMORY): Undated => ({ type: 'connected', able, memory });
const frame = (transport: Transport, overTcp = false): Undated => ({
  type: 'first_frame',
  transport,
  overTcp,
});
const fail = (transport: Transport): Undated => ({ type: 'failed', transport });
const measure = (conditions: Partial<Conditions> = {}): Undated => ({
  type: 'measured',
  roundTrip: 20,
  loss: 0,
  bandwidth: null,
  silence: 0,
  ...conditions,
});
const network: Undated = { type: 'network_changed' };
const lately: Memory = { failures: 2, at: T - MINUTE };

function say(action: LadderAction): string {
  switch (action.type) {
    case 'give_up':
      return `give_up ${action.reason}`;
    case 'remember':
      return `remember ${action.memory.failures}`;
    default:
      return `${action.type} ${action.transport}`;
  }
}

/** Runs `steps` and returns the last state and what each led to. */
function run(steps: Step[], forced: Transport | null = null): { state: LadderState; said: string[][] } {
  let state = initialLadder(forced);
  const said: string[][] = [];
  for (const step of steps) {
    const [at, event] = Array.isArray(step) ? step : [0, step];
    const next = ladder(state, { ...event, now: T + at });
    state = next.state;
    said.push(next.actions.map(say));
  }
  return { state, said };
}

interface Case {
  name: string;
  forced?: Transport;
  steps: Step[];
  /** What the last step leads to. */
  said: string[];
  shown: Transport | null;
}

const onWebSocket: Step[] = [connect(), frame('websocket')];
const onWebRtc: Step[] = [...onWebSocket, frame('webrtc')];

const cases: Case[] = [
  {
    name: 'starts the WebSocket at once, alone: two that start at once are both later',
    steps: [connect()],
    said: ['start websocket'],
    shown: null,
  },
  {
    name: 'tries WebRTC behind the first picture',
    steps: onWebSocket,
    said: ['show websocket', 'start webrtc'],
    shown: 'websocket',
  },
  {
    name: 'tries WebRTC when the WebSocket is slow to show anything',
    steps: [connect(), [1900, measure()], [2100, measure()]],
    said: ['start webrtc'],
    shown: null,
  },
  {
    name: 'climbs to WebRTC at its first decoded frame',
    steps: onWebRtc,
    said: ['show webrtc', 'stop websocket', 'remember 0'],
    shown: 'webrtc',
  },
  {
    name: 'stays on the WebSocket where WebRTC goes over TCP as well',
    steps: [...onWebSocket, frame('webrtc', true)],
    said: ['stop webrtc', 'remember 1'],
    shown: 'websocket',
  },
  {
    name: 'takes WebRTC over TCP where it is the only one',
    steps: [connect(['webrtc']), frame('webrtc', true)],
    said: ['show webrtc', 'remember 0'],
    shown: 'webrtc',
  },
  {
    name: 'stays on the WebSocket where WebRTC does not get through, and remembers',
    steps: [...onWebSocket, fail('webrtc')],
    said: ['stop webrtc', 'remember 1'],
    shown: 'websocket',
  },
  {
    name: 'does not try what failed a short while ago',
    steps: [connect(ALL, lately), frame('websocket')],
    said: ['show websocket'],
    shown: 'websocket',
  },
  {
    name: 'tries again later, behind the picture',
    steps: [connect(ALL, lately), frame('websocket'), [59_000, measure()], [61_000, measure()]],
    said: ['start webrtc'],
    shown: 'websocket',
  },
  {
    name: 'does not send the picture twice over a thin line',
    steps: [connect(ALL, lately), frame('websocket'), [2 * MINUTE, measure({ bandwidth: 400_000 })]],
    said: [],
    shown: 'websocket',
  },
  {
    name: 'tries again at once in another network, and forgets what it knew of the last',
    steps: [connect(ALL, lately), frame('websocket'), network],
    said: ['remember 0', 'start webrtc'],
    shown: 'websocket',
  },
  {
    name: 'leaves WebRTC that is shown alone in another network: it renews itself',
    steps: [...onWebRtc, network],
    said: ['remember 0'],
    shown: 'webrtc',
  },
  {
    name: 'falls back to the WebSocket when WebRTC breaks',
    steps: [...onWebRtc, fail('webrtc')],
    said: ['stop webrtc', 'remember 1', 'start websocket'],
    shown: null,
  },
  {
    name: 'falls back to the WebSocket when WebRTC starves',
    steps: [...onWebRtc, [5000, measure({ silence: 900 })]],
    said: ['stop webrtc', 'remember 1', 'start websocket'],
    shown: null,
  },
  {
    name: 'takes it for the way, not for WebRTC, when that breaks after a minute',
    steps: [...onWebRtc, [61_000, fail('webrtc')]],
    said: ['stop webrtc', 'start websocket'],
    shown: null,
  },
  {
    name: 'tries it again then, behind the picture',
    steps: [...onWebRtc, [61_000, fail('webrtc')], [61_250, measure()], [61_300, frame('websocket')]],
    said: ['show websocket', 'start webrtc'],
    shown: 'websocket',
  },
  {
    name: 'remembers when that fails, too',
    steps: [...onWebRtc, [61_000, fail('webrtc')], [61_300, frame('websocket')], [70_000, fail('webrtc')]],
    said: ['stop webrtc', 'remember 1'],
    shown: 'websocket',
  },
  {
    name: 'does not change to and fro on a way that breaks again and again',
    steps: [
      ...onWebRtc,
      [61_000, fail('webrtc')],
      [61_300, frame('websocket')],
      [62_000, frame('webrtc')],
      [72_000, fail('webrtc')],
    ],
    said: ['stop webrtc', 'remember 1', 'start websocket'],
    shown: null,
  },
  {
    name: 'does not try again at once what loses too much',
    steps: [...onWebRtc, [61_000, measure({ loss: 0.5 })], [64_000, measure({ loss: 0.5 })]],
    said: ['stop webrtc', 'remember 1', 'start websocket'],
    shown: null,
  },
  {
    name: 'forgives WebRTC when the socket is lost shortly after: it was the network',
    steps: [...onWebRtc, [3000, fail('webrtc')], [6000, { type: 'disconnected', left: false }]],
    said: ['stop websocket', 'remember 0'],
    shown: null,
  },
  {
    name: 'remembers what it knew before the outage',
    steps: [
      connect(ALL, { failures: 2, at: T - 11 * MINUTE }),
      frame('websocket'),
      [3000, fail('webrtc')],
      [6000, { type: 'disconnected', left: false }],
    ],
    said: ['stop websocket', 'remember 2'],
    shown: null,
  },
  {
    name: 'does not forgive when the socket is lost because the page is left',
    steps: [...onWebRtc, [3000, fail('webrtc')], [3500, { type: 'disconnected', left: true }]],
    said: ['stop websocket'],
    shown: null,
  },
  {
    name: 'does not forgive when the socket is lost long after',
    steps: [...onWebRtc, [3000, fail('webrtc')], [12_000, { type: 'disconnected', left: false }]],
    said: ['stop websocket'],
    shown: null,
  },
  {
    name: 'does not forgive a failure of an earlier connection',
    steps: [
      ...onWebSocket,
      [1000, fail('webrtc')],
      [20_000, { type: 'disconnected', left: false }],
      [20_500, connect(ALL, { failures: 1, at: T + 20_000 })],
      [21_000, { type: 'disconnected', left: false }],
    ],
    said: ['stop websocket'],
    shown: null,
  },
  {
    name: 'is more patient on a long way',
    steps: [...onWebRtc, [5000, measure({ silence: 900, roundTrip: 200 })]],
    said: [],
    shown: 'webrtc',
  },
  {
    name: 'but never for two seconds',
    steps: [...onWebRtc, [5000, measure({ silence: 1550, roundTrip: 2000 })]],
    said: ['stop webrtc', 'remember 1', 'start websocket'],
    shown: null,
  },
  {
    name: 'leaves a socket alone that cannot lose frames',
    steps: [...onWebSocket, fail('webrtc'), [5000, measure({ silence: 3000 })]],
    said: [],
    shown: 'websocket',
  },
  {
    name: 'endures lost packets for a while',
    steps: [...onWebRtc, [1000, measure({ loss: 0.5 })], [3000, measure({ loss: 0.5 })]],
    said: [],
    shown: 'webrtc',
  },
  {
    name: 'leaves UDP that somebody holds down',
    steps: [...onWebRtc, [1000, measure({ loss: 0.5 })], [4000, measure({ loss: 0.3 })]],
    said: ['stop webrtc', 'remember 1', 'start websocket'],
    shown: null,
  },
  {
    name: 'forgives lost packets once they stop',
    steps: [
      ...onWebRtc,
      [1000, measure({ loss: 0.5 })],
      [2000, measure({ loss: 0.02 })],
      [4500, measure({ loss: 0.5 })],
    ],
    said: [],
    shown: 'webrtc',
  },
  {
    name: 'waits for WebRTC, already on its way, when the WebSocket cannot show a picture',
    steps: [connect(), [2500, measure()], [9000, fail('websocket')]],
    said: ['stop websocket'],
    shown: null,
  },
  {
    name: 'goes down to noVNC',
    steps: [connect(), fail('websocket'), fail('webrtc')],
    said: ['stop webrtc', 'remember 1', 'start rfb'],
    shown: null,
  },
  {
    name: 'tries WebRTC behind noVNC later',
    steps: [connect(), fail('websocket'), fail('webrtc'), frame('rfb'), [3 * MINUTE, measure()]],
    said: ['start webrtc'],
    shown: 'rfb',
  },
  {
    name: 'gives up when nothing is left',
    steps: [connect(), fail('websocket'), fail('webrtc'), fail('rfb')],
    said: ['stop rfb', 'give_up nothing_left'],
    shown: null,
  },
  {
    name: 'uses WebRTC where the browser has no WebCodecs',
    steps: [connect(['webrtc', 'rfb']), frame('webrtc')],
    said: ['show webrtc', 'remember 0'],
    shown: 'webrtc',
  },
  {
    name: 'goes by requests where no WebSocket gets through, and tries WebRTC all the same',
    steps: [connect(['webrtc', 'http']), frame('http')],
    said: ['show http', 'start webrtc'],
    shown: 'http',
  },
  {
    name: 'takes WebRTC over TCP rather than requests',
    steps: [connect(['webrtc', 'http']), frame('http'), frame('webrtc', true)],
    said: ['show webrtc', 'stop http', 'remember 0'],
    shown: 'webrtc',
  },
  {
    name: 'begins with noVNC there when WebRTC failed a short while ago',
    steps: [connect(['webrtc', 'rfb'], lately)],
    said: ['start rfb'],
    shown: null,
  },
  {
    name: 'tries what failed when there is nothing else',
    steps: [connect(['webrtc'], lately)],
    said: ['start webrtc'],
    shown: null,
  },
  {
    name: 'uses noVNC where browser and streamer share no codec',
    steps: [connect(['rfb']), frame('rfb')],
    said: ['show rfb'],
    shown: 'rfb',
  },
  {
    name: 'has nothing where the policy offers nothing that can be shown',
    steps: [connect([])],
    said: ['give_up nothing_left'],
    shown: null,
  },
  ...ALL.map((forced): Case => ({
    name: `keeps to ${forced} when that is forced`,
    forced,
    steps: [connect(ALL, lately), frame(forced), [10 * MINUTE, measure()]],
    said: [],
    shown: forced,
  })),
  {
    name: 'says that a forced rung cannot work',
    forced: 'websocket',
    steps: [connect(['rfb'])],
    said: ['give_up forced'],
    shown: null,
  },
  {
    name: 'does not leave a forced rung that fails',
    forced: 'webrtc',
    steps: [connect(), fail('webrtc')],
    said: ['stop webrtc', 'remember 1', 'give_up forced'],
    shown: null,
  },
  {
    name: 'starts a forced rung again that did work',
    forced: 'webrtc',
    steps: [connect(), frame('webrtc'), fail('webrtc')],
    said: ['stop webrtc', 'remember 1', 'start webrtc'],
    shown: null,
  },
  {
    name: 'stops everything at a disconnection',
    steps: [...onWebSocket, { type: 'disconnected', left: false }],
    said: ['stop websocket', 'stop webrtc'],
    shown: null,
  },
  {
    name: 'begins anew after it',
    steps: [...onWebSocket, { type: 'disconnected', left: false }, connect(), frame('websocket')],
    said: ['show websocket', 'start webrtc'],
    shown: 'websocket',
  },
  {
    name: 'ignores what comes from rungs that do not run',
    steps: [connect(['rfb']), frame('webrtc'), fail('websocket')],
    said: [],
    shown: null,
  },
];

describe('ladder', () => {
  it.each(cases)('$name', ({ forced, steps, said, shown }) => {
    const result = run(steps, forced ?? null);
    expect(result.said.at(-1)).toEqual(said);
    expect(result.state.shown).toBe(shown);
  });

  it('waits ever longer for WebRTC that fails, and an hour at most', () => {
    const waits = [0, 1, 2, 3, 4, 100].map(failures => retryAt({ failures, at: 0 }) / MINUTE);
    expect(waits).toEqual([0, 0.5, 2, 10, 60, 60]);
  });
});

/** Repeatable numbers in [0, 1) (mulberry32): a failure can be looked at again by its seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function anyEvent(next: () => number, now: number): LadderEvent {
  const pick = <T>(from: readonly T[]) => from[Math.floor(next() * from.length)]!;
  const able = EVERY.filter(() => next() < 0.7);
  const memory = { failures: Math.floor(next() * 5), at: now - Math.floor(next() * 2 * 60 * MINUTE) };
  const undated = pick<Undated>([
    connect(able, memory),
    { type: 'disconnected', left: next() < 0.3 },
    frame(pick(EVERY), next() < 0.3),
    frame(pick(EVERY)),
    fail(pick(EVERY)),
    network,
    measure({
      roundTrip: next() < 0.2 ? null : next() * 500,
      loss: next(),
      bandwidth: next() < 0.5 ? null : next() * 5e6,
      silence: next() < 0.7 ? 0 : next() * 8000,
    }),
  ]);
  return { ...undated, now };
}

/** What `media.ts` would have running after `actions`. Plain comparisons: `expect` is slow a million times. */
function obey(
  running: Set<Transport>,
  actions: LadderAction[],
  check: (ok: boolean, what: string) => void,
): void {
  for (const action of actions) {
    if (action.type === 'start') {
      check(!running.has(action.transport), 'starts nothing twice');
      running.add(action.transport);
    } else if (action.type === 'stop') {
      check(running.delete(action.transport), 'stops only what runs');
    } else if (action.type === 'show') {
      check(running.has(action.transport), 'shows only what runs');
    }
  }
}

/** A way on which frames are sent all the time and arrive until `end`, seen as `media.ts` sees it. */
interface Way {
  roundTrip: number;
  /** Between two frames. */
  interval: number;
  /** When the last frame that arrives was sent. */
  end: number;
  /** By how much a frame may be late. */
  jitter: number;
}

/** As in `media.ts`. */
const MEASURE_MS = 250;

/** When the ladder leaves WebRTC on such a way, within 20 s from its start; null: it stays. */
function leaves({ roundTrip, interval, end, jitter }: Way, next: () => number): number | null {
  let state = run(onWebRtc).state;
  const starvation = new Starvation();
  starvation.reset(0);
  const happens: { at: number; what: 'frame' | 'pong' | 'measure'; sent: number }[] = [];
  for (let at = next() * interval, sent = 1; at < 20_000; at += interval, sent++) {
    if (at <= end) {
      happens.push({ at: at + roundTrip / 2 + next() * jitter, what: 'frame', sent });
    }
  }
  const sentBy = (at: number) => Math.floor(Math.max(at, 0) / interval);
  for (let at = next() * CLOSE_PING_MS; at < 20_000; at += CLOSE_PING_MS) {
    happens.push({ at: at + roundTrip, what: 'pong', sent: sentBy(at + roundTrip / 2) });
  }
  for (let at = next() * MEASURE_MS; at < 20_000; at += MEASURE_MS) {
    happens.push({ at, what: 'measure', sent: 0 });
  }
  for (const { at, what, sent } of happens.sort((a, b) => a.at - b.at)) {
    if (what === 'frame') {
      starvation.frame(at);
    } else if (what === 'pong') {
      starvation.pong(at, sent);
    }
    const measured = { ...measure({ roundTrip, silence: starvation.silence(at) }), now: T + at };
    state = ladder(state, measured).state;
    if (state.shown !== 'webrtc') {
      return at;
    }
  }
  return null;
}

describe('a flow of frames', () => {
  it('that ends is left so early that the WebSocket has its picture within two seconds', () => {
    for (let seed = 0; seed < 500; seed++) {
      const next = random(seed);
      const end = 3000 + next() * 1000;
      const way = { roundTrip: next() * 300, interval: 16 + next() * 180, end, jitter: 0 };
      const left = leaves(way, next);
      expect(left, JSON.stringify({ seed, way })).not.toBeNull();
      // From when the first frame that is missed should have been seen.
      const waited = (left ?? 0) - (end + way.roundTrip / 2);
      expect(waited, JSON.stringify({ seed, way })).toBeLessThan(1850);
      expect(waited, JSON.stringify({ seed, way })).toBeGreaterThan(500);
    }
  });

  it('that only stutters is not left', () => {
    for (let seed = 0; seed < 500; seed++) {
      const next = random(seed);
      const way = { roundTrip: next() * 300, interval: 16 + next() * 180, end: 20_000, jitter: 300 };
      expect(leaves(way, next), JSON.stringify({ seed, way })).toBeNull();
    }
  });
});

function walk(seed: number, forced: Transport | null): void {
  const next = random(seed);
  let state = initialLadder(forced);
  let now = T;
  let offered: readonly Transport[] = [];
  const running = new Set<Transport>();
  for (let i = 0; i < 40; i++) {
    now += Math.floor(next() ** 4 * 10 * MINUTE);
    const event = anyEvent(next, now);
    const check = (ok: boolean, what: string) => {
      if (!ok) {
        throw new Error(`seed ${seed}, event ${i}: it ${what}, but not after ${JSON.stringify(event)}`);
      }
    };
    if (event.type === 'connected') {
      // `media.ts` disconnects before it connects again.
      const ended = ladder(state, { type: 'disconnected', left: false, now });
      obey(running, ended.actions, check);
      state = ended.state;
      offered = event.able;
    }
    const before = state;
    const step = ladder(state, event);
    state = step.state;
    obey(running, step.actions, check);
    const gaveUp = step.actions.some(action => action.type === 'give_up');
    check([...running].sort().join() === [...state.running].sort().join(), 'does what its state says');
    check(running.size <= 2, 'runs two at most');
    check(
      [...running].every(t => offered.includes(t)),
      'uses only what is offered',
    );
    check(
      [...running].every(t => t === (forced ?? t)),
      'keeps to what is forced',
    );
    check(state.shown === null || running.has(state.shown), 'runs what it shows');
    if (before.running.length > 0 && event.type !== 'disconnected') {
      check(running.size > 0 || gaveUp, 'has a picture, a try, or a word');
    }
    if (before.shown !== null && state.shown === null && event.type === 'measured') {
      const lossy = before.shown === 'webrtc' && event.loss >= 0.25;
      check(event.silence > 800 || lossy, 'leaves no picture without need');
    }
  }
}

describe('ladder, whatever happens', () => {
  it.each([null, ...EVERY])('holds what it promises (forced: %s)', forced => {
    for (let seed = 0; seed < 1000; seed++) {
      walk(seed, forced);
    }
  });
});
