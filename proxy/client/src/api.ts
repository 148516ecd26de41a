/** `window.streamspace`: what scripts and tests see of the page (docs/reference/protocol.md). */

import type { Listener } from './events';
import type { ErrorMessage, Role, Size, Status, Transport } from './protocol';

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

export interface PageStatistics {
  frames: number;
  fps: number;
  bytes: number;
  /** Milliseconds from the last key or button to the next picture. */
  latency: number | null;
  /** Milliseconds there and back on the viewer socket. */
  roundTrip: number | null;
  transport: Transport | null;
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

declare global {
  interface Window {
    streamspace: StreamspaceApi;
  }
}
