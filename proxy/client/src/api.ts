/** `window.streamspace`: what scripts and tests see of the page (docs/reference/protocol.md). */

import type { Listener } from './events';
import type { Spread } from './meter';
import type { ErrorMessage, Pong, Role, Size, Status, Transport } from './protocol';
import type { Packets } from './transports/types';

export interface PageEvents {
  connected: { role: Role };
  disconnected: undefined;
  transport: Transport | null;
  frame: { transport: Transport };
  status: Status;
  clipboard: string;
  screen: Size;
  error: Pick<ErrorMessage, 'code' | 'message' | 'field'>;
}

/** Delays are in milliseconds; spreads are over the last ten seconds, null where nothing was measured. */
export interface PageStatistics {
  frames: number;
  fps: number;
  bytes: number;
  /** Bits in a second that come in. */
  bitrate: number;
  /** Bits in a second that the streamer aims at; null: it does not say. */
  targetBitrate: number | null;
  /** From the last key or button to the next picture. */
  latency: number | null;
  inputLatency: Spread | null;
  /** From the capture of a picture in the session to its being put on screen here, on real frames. */
  captureLatency: Spread | null;
  /** Where the time of this page's last frames went in the session; without those of which there is nothing. */
  phases: NonNullable<Pong['phases']>;
  /** Connected pages; null: the streamer does not say. */
  viewers: number | null;
  /** There and back on the viewer socket. */
  roundTrip: number | null;
  /** Frames that came and were not shown. */
  dropped: number;
  /** What came by WebRTC and what did not, on the connection in use; null on other transports. */
  packets: Packets | null;
  /** How often frames were sent and none was seen for a while, and for how long in all. */
  freezes: number;
  freezeMs: number;
  /** Changes of transport while a picture was there. */
  switches: number;
  /** From opening the page to its first picture. */
  firstPicture: number | null;
  transport: Transport | null;
  /** As WebCodecs names it, or `vp8`, `jpeg`. */
  codec: string | null;
  /** The picture's size, which is smaller than the screen's on a thin line. */
  picture: Size | null;
  screen: Size | null;
  /** How loud is what was played lately: 0 is silence, 1 the loudest that there is. */
  audio: number;
}

export interface StreamspaceApi {
  readonly transport: Transport | null;
  readonly role: Role | null;
  readonly connected: boolean;
  stats(): PageStatistics;
  on<K extends keyof PageEvents>(event: K, fn: Listener<PageEvents[K]>): () => void;
}

export interface PageConfig {
  app: { name: string; title: string };
  /** Null: no hub, or not this user's session. `stop_url`: where to POST to stop the session. */
  hub: { home_url: string; stop_url?: string } | null;
  view: boolean;
  /** Sent back with requests that change something. */
  xsrf?: string;
}

/** The object of that name: what it says of the page is looked up when it is asked. */
export function makeApi(page: {
  transport: () => Transport | null;
  role: () => Role | null;
  connected: () => boolean;
  stats: StreamspaceApi['stats'];
  on: StreamspaceApi['on'];
}): StreamspaceApi {
  return {
    get transport() {
      return page.transport();
    },
    get role() {
      return page.role();
    },
    get connected() {
      return page.connected();
    },
    stats: page.stats,
    on: page.on,
  };
}

declare global {
  interface Window {
    streamspace: StreamspaceApi;
  }
}
