/**
 * Which transport carries the picture: a pure decision. The WebSocket starts at once, since everybody who passes HTTPS
 * gets it; WebRTC is tried behind its picture and takes over when it has shown one; noVNC is the floor. Where the network
 * lets no WebSocket through, requests (`http`) stand for it: the streamer offers the one or the other. Whatever
 * changes, the picture that is there stays until the next one has come.
 * Knows neither sockets nor clocks: `media.ts` tells it what happened and when, and carries out what it says.
 */

import { TRANSPORTS, type Transport } from './protocol';

/** How WebRTC fared with this hub, from this browser. */
export interface Memory {
  /** Failures in a row; 0: it worked. */
  readonly failures: number;
  /** When the last one was; milliseconds since 1970, as all times here. */
  readonly at: number;
}

/** What is measured while media runs. */
export interface Conditions {
  /** There and back on the viewer socket, milliseconds; null: not measured yet. */
  readonly roundTrip: number | null;
  /** Share of WebRTC's packets that were lost lately, 0 to 1; 0 where nothing tells. */
  readonly loss: number;
  /** Bits in a second that the line carries, as far as the streamer has found out; null: it does not say. */
  readonly bandwidth: number | null;
  /** For how many milliseconds frames have surely been sent and none has been seen; 0: all is well. */
  readonly silence: number;
}

export interface LadderState {
  /** `?transport=`: the only rung allowed. */
  readonly forced: Transport | null;
  /** Rungs that streamer (by the session's policy) and browser both have and that may still work. */
  readonly rungs: readonly Transport[];
  /** Rungs that media has been asked for on. */
  readonly running: readonly Transport[];
  /** The rung whose picture is on screen. */
  readonly shown: Transport | null;
  /** Since when the picture of `shown` is there. */
  readonly shownAt: number;
  /** When the first of the running rungs was asked for media. */
  readonly startedAt: number;
  readonly memory: Memory;
  /** What was remembered before WebRTC failed on this connection; null: it has not. */
  readonly earlier: Memory | null;
  /** Since when WebRTC has lost too much; null: it does not. */
  readonly lossySince: number | null;
}

export type LadderEvent = { now: number } & (
  | {
      type: 'connected';
      /** Rungs that the streamer offers and that this browser can show. */
      able: readonly Transport[];
      memory: Memory;
    }
  | {
      type: 'disconnected';
      /** The page is being left: that, and nothing in the network, has closed the socket. */
      left: boolean;
    }
  | {
      type: 'first_frame';
      transport: Transport;
      /** It goes over TCP after all, by a relay: then it has nothing over the WebSocket. */
      overTcp?: boolean;
    }
  /** It cannot work, or it broke. */
  | { type: 'failed'; transport: Transport }
  | ({ type: 'measured' } & Conditions)
  /** The computer has another network, or one again: what did not work may work now, and the reverse. */
  | { type: 'network_changed' }
);

export type GiveUpReason = 'forced' | 'nothing_left';

export type LadderAction =
  | { type: 'start' | 'stop' | 'show'; transport: Transport }
  | { type: 'remember'; memory: Memory }
  | { type: 'give_up'; reason: GiveUpReason };

export interface LadderStep {
  state: LadderState;
  actions: LadderAction[];
}

/** Quickest first picture first. */
const START_ORDER: readonly Transport[] = ['websocket', 'http', 'webrtc', 'rfb'];
/** The first rung gets this long by itself: two that start at once are both later. */
const HEAD_START_MS = 2000;
/** How long WebRTC is left alone after so many failures in a row. The first may be a computer's that was busy. */
const RETRY_MS = [0, 30_000, 2 * 60_000, 10 * 60_000, 60 * 60_000] as const;
/** WebRTC that carried the picture for so long can get through here: when it breaks, the way to it has changed. */
const STEADY_MS = 60_000;
/** A viewer socket that is lost within this after WebRTC was lost for the same reason: it takes longer to notice. */
const OUTAGE_MS = 8000;
/** While WebRTC is tried, the picture is sent twice: a thinner line than this has no room for that. */
const PROBE_BANDWIDTH = 600_000;
/** Silence that is no accident, on top of two round trips. */
const PATIENCE_MS = 800;
const LONGEST_PATIENCE_MS = 1500;
/** The viewer socket cannot lose frames: silence there is a decoder that stands still, which the transport heals. */
const SOCKET_PATIENCE_MS = 5000;
/** UDP that loses so much, for so long, is held down by somebody on the way: TCP is let through. */
const LOSSY = 0.25;
const LOSSY_MS = 3000;

export const NO_MEMORY: Memory = { failures: 0, at: 0 };
const FORGET: LadderAction = { type: 'remember', memory: NO_MEMORY };

export function initialLadder(forced: Transport | null): LadderState {
  return {
    forced,
    rungs: [],
    running: [],
    shown: null,
    shownAt: 0,
    startedAt: 0,
    memory: NO_MEMORY,
    earlier: null,
    lossySince: null,
  };
}

/** When WebRTC may be tried again. */
export function retryAt({ failures, at }: Memory): number {
  return at + (RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 0);
}

/** What follows from `event` in `state`. */
export function ladder(state: LadderState, event: LadderEvent): LadderStep {
  switch (event.type) {
    case 'connected':
      return connected(state, event);
    case 'disconnected':
      return disconnected(state, event);
    case 'first_frame':
      return firstFrame(state, event);
    case 'failed':
      return failed(state, event.transport, event.now);
    case 'measured':
      return measured(state, event);
    case 'network_changed':
      return networkChanged(state, event.now);
  }
}

function connected(state: LadderState, event: LadderEvent & { type: 'connected' }): LadderStep {
  const rungs = START_ORDER.filter(t => event.able.includes(t) && (state.forced ?? t) === t);
  const { now, memory } = event;
  const fresh = { ...state, rungs, memory, earlier: null, shown: null, lossySince: null };
  return startNext({ ...fresh, running: [] }, now, true);
}

/** The socket is gone. If WebRTC failed just before, that was the network's fault, or the streamer's: it is forgiven. */
function disconnected(state: LadderState, event: LadderEvent & { type: 'disconnected' }): LadderStep {
  const actions: LadderAction[] = state.running.map(transport => ({ type: 'stop', transport }));
  let { memory } = state;
  if (state.earlier !== null && !event.left && event.now - memory.at <= OUTAGE_MS) {
    memory = state.earlier;
    actions.push({ type: 'remember', memory });
  }
  const left = { ...state, rungs: [], running: [], shown: null, memory, earlier: null, lossySince: null };
  return { state: left, actions };
}

function firstFrame(state: LadderState, event: LadderEvent & { type: 'first_frame' }): LadderStep {
  const { transport, now } = event;
  if (!state.running.includes(transport) || state.shown === transport) {
    return { state, actions: [] };
  }
  if (transport === 'webrtc' && event.overTcp && state.shown === 'websocket') {
    return failed(state, 'webrtc', now);
  }
  if (state.shown !== null && rank(state.shown) < rank(transport)) {
    // A slower start of a lesser rung: the better picture is on screen already.
    return {
      state: { ...state, running: state.running.filter(t => t !== transport) },
      actions: [{ type: 'stop', transport }],
    };
  }
  // What outranks this one may still be on its way up; what it outranks is no longer needed.
  const lesser = state.running.filter(t => rank(t) > rank(transport));
  const actions: LadderAction[] = [{ type: 'show', transport }];
  actions.push(...lesser.map(t => ({ type: 'stop', transport: t }) as const));
  let { memory } = state;
  if (transport === 'webrtc') {
    memory = { failures: 0, at: now };
    actions.push({ type: 'remember', memory });
  }
  const running = state.running.filter(t => !lesser.includes(t));
  const shown = { ...state, running, shown: transport, shownAt: now, memory, lossySince: null };
  return then({ state: shown, actions }, step => tryWebRtc(step, now, null));
}

function failed(state: LadderState, transport: Transport, now: number): LadderStep {
  if (!state.running.includes(transport)) {
    return { state, actions: [] };
  }
  const actions: LadderAction[] = [{ type: 'stop', transport }];
  let { memory, earlier, rungs } = state;
  if (transport === 'webrtc' && !wasSteady(state, now)) {
    earlier = memory;
    memory = { failures: memory.failures + 1, at: now };
    actions.push({ type: 'remember', memory });
  } else if (transport !== 'webrtc') {
    rungs = rungs.filter(t => t !== transport);
  }
  if (state.forced !== null && state.shown === transport) {
    // It did work: whoever wants this one only gets it again.
    rungs = state.rungs;
  } else if (state.forced !== null) {
    rungs = [];
  }
  const running = state.running.filter(t => t !== transport);
  const shown = state.shown === transport ? null : state.shown;
  const left = { ...state, rungs, running, shown, memory, earlier, lossySince: null };
  return running.length > 0
    ? { state: left, actions }
    : then({ state: left, actions }, step => startNext(step, now, state.forced !== null));
}

/** Then it is tried again at once, behind the WebSocket's picture, and only that may count as a failure. */
function wasSteady({ shown, shownAt, lossySince }: LadderState, now: number): boolean {
  return shown === 'webrtc' && now - shownAt >= STEADY_MS && lossySince === null;
}

function measured(state: LadderState, event: LadderEvent & { type: 'measured' }): LadderStep {
  const { now, silence, loss, bandwidth } = event;
  if (state.shown !== null && silence > patience(state.shown, event.roundTrip)) {
    return failed(state, state.shown, now);
  }
  const lossySince = state.shown === 'webrtc' && loss >= LOSSY ? (state.lossySince ?? now) : null;
  const noted = { ...state, lossySince };
  if (
    lossySince !== null &&
    now - lossySince >= LOSSY_MS &&
    state.rungs.some(t => t === 'websocket' || t === 'http')
  ) {
    return failed(noted, 'webrtc', now);
  }
  return tryWebRtc(noted, now, bandwidth);
}

/** WebRTC that is shown makes a connection in the new network by itself, behind its picture. */
function networkChanged(state: LadderState, now: number): LadderStep {
  const forgotten = { state: { ...state, memory: NO_MEMORY }, actions: [FORGET] };
  return then(forgotten, step => tryWebRtc(step, now, null));
}

/** How long frames may stay away on `transport` before another one is better. */
function patience(transport: Transport, roundTrip: number | null): number {
  return transport === 'webrtc'
    ? Math.min(PATIENCE_MS + 2 * (roundTrip ?? 0), LONGEST_PATIENCE_MS)
    : SOCKET_PATIENCE_MS;
}

/** Start the quickest rung that is left; `anyway`: WebRTC, too, that has failed a short while ago, if it is all. */
function startNext(state: LadderState, now: number, anyway: boolean): LadderStep {
  const due = now >= retryAt(state.memory);
  const left = START_ORDER.filter(t => state.rungs.includes(t));
  const transport = left.find(t => t !== 'webrtc' || due) ?? (anyway ? left[0] : undefined);
  return transport === undefined
    ? { state, actions: [{ type: 'give_up', reason: state.forced ? 'forced' : 'nothing_left' }] }
    : {
        state: { ...state, running: [transport], startedAt: now },
        actions: [{ type: 'start', transport }],
      };
}

/** Start WebRTC behind what is shown, if it is time for that. */
function tryWebRtc(state: LadderState, now: number, bandwidth: number | null): LadderStep {
  const wanted = state.rungs.includes('webrtc') && !state.running.includes('webrtc');
  const due = now >= retryAt(state.memory);
  const room = bandwidth === null || bandwidth >= PROBE_BANDWIDTH;
  const alone = state.shown === null && now - state.startedAt < HEAD_START_MS;
  if (!wanted || !due || !room || alone) {
    return { state, actions: [] };
  }
  return {
    state: { ...state, running: [...state.running, 'webrtc'] },
    actions: [{ type: 'start', transport: 'webrtc' }],
  };
}

/** `step`, and what follows from its state. */
function then(step: LadderStep, next: (state: LadderState) => LadderStep): LadderStep {
  const { state, actions } = next(step.state);
  return { state, actions: [...step.actions, ...actions] };
}

/** 0 is the best rung to stay on. */
function rank(transport: Transport): number {
  return TRANSPORTS.indexOf(transport);
}
