/**
 * Which transport carries the picture: a pure decision. The WebSocket starts at once, since everybody who passes
 * HTTPS gets it; WebRTC is tried behind it and takes over when it has shown that it works; noVNC is the floor.
 * Knows neither sockets nor clocks: `media.ts` tells it what happened and carries out what it says.
 */

import { TRANSPORTS, type Transport } from './protocol';

export interface LadderState {
  /** `?transport=`: the only rung allowed. */
  readonly forced: Transport | null;
  /** Rungs that browser and streamer both have and that have not failed on this connection. */
  readonly rungs: readonly Transport[];
  /** Rungs that media has been asked for on. */
  readonly running: readonly Transport[];
  /** The rung whose picture is on screen. */
  readonly shown: Transport | null;
}

export type LadderEvent =
  | {
      type: 'connected';
      /** What the streamer offers. */
      offered: readonly Transport[];
      /** What this browser can show. */
      able: readonly Transport[];
      /** WebRTC failed here a short while ago: not tried again behind a WebSocket that works. */
      avoidWebrtc: boolean;
    }
  | { type: 'disconnected' }
  | { type: 'first_frame'; transport: Transport }
  /** It cannot work, or it starves: frames are sent and none arrives. */
  | { type: 'failed'; transport: Transport };

export type GiveUpReason = 'forced' | 'nothing_left';

export type LadderAction =
  | { type: 'start' | 'stop' | 'show' | 'remember'; transport: Transport }
  | { type: 'give_up'; reason: GiveUpReason };

export interface LadderStep {
  state: LadderState;
  actions: LadderAction[];
}

/** Quickest first picture first. */
const START_ORDER: readonly Transport[] = ['websocket', 'webrtc', 'rfb'];

export function initialLadder(forced: Transport | null): LadderState {
  return { forced, rungs: [], running: [], shown: null };
}

/** What follows from `event` in `state`. */
export function ladder(state: LadderState, event: LadderEvent): LadderStep {
  switch (event.type) {
    case 'connected':
      return connected(state, event);
    case 'disconnected':
      return {
        state: { ...state, rungs: [], running: [], shown: null },
        actions: state.running.map(transport => ({ type: 'stop', transport })),
      };
    case 'first_frame':
      return firstFrame(state, event.transport);
    case 'failed':
      return failed(state, event.transport);
  }
}

function connected(state: LadderState, event: LadderEvent & { type: 'connected' }): LadderStep {
  const rungs = START_ORDER.filter(
    t => event.offered.includes(t) && event.able.includes(t) && (state.forced ?? t) === t,
  );
  const first = rungs[0];
  if (first === undefined) {
    return {
      state: { ...state, rungs, running: [], shown: null },
      actions: [{ type: 'give_up', reason: state.forced ? 'forced' : 'nothing_left' }],
    };
  }
  const behind = first === 'websocket' && rungs.includes('webrtc') && !event.avoidWebrtc;
  const running: Transport[] = behind ? [first, 'webrtc'] : [first];
  return {
    state: { ...state, rungs, running, shown: null },
    actions: running.map(transport => ({ type: 'start', transport })),
  };
}

function firstFrame(state: LadderState, transport: Transport): LadderStep {
  if (!state.running.includes(transport) || state.shown === transport) {
    return { state, actions: [] };
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
  if (transport === 'webrtc') {
    actions.push({ type: 'remember', transport });
  }
  return {
    state: { ...state, running: state.running.filter(t => !lesser.includes(t)), shown: transport },
    actions,
  };
}

function failed(state: LadderState, transport: Transport): LadderStep {
  if (!state.running.includes(transport)) {
    return { state, actions: [] };
  }
  const rungs = state.rungs.filter(t => t !== transport);
  let running = state.running.filter(t => t !== transport);
  const actions: LadderAction[] = [{ type: 'stop', transport }];
  if (transport === 'webrtc' && rungs.includes('websocket')) {
    actions.push({ type: 'remember', transport: 'websocket' });
  }
  const shown = state.shown === transport ? null : state.shown;
  if (running.length === 0) {
    const next = START_ORDER.find(t => rungs.includes(t));
    if (next === undefined) {
      actions.push({ type: 'give_up', reason: state.forced ? 'forced' : 'nothing_left' });
    } else {
      running = [next];
      actions.push({ type: 'start', transport: next });
    }
  }
  return { state: { ...state, rungs, running, shown }, actions };
}

/** 0 is the best rung to stay on. */
function rank(transport: Transport): number {
  return TRANSPORTS.indexOf(transport);
}
