/**
 * The viewer protocol (docs/reference/protocol.md): message types, and the binary layouts in both directions.
 * Pure data: knows no socket and no DOM.
 */

export const SUBPROTOCOL = 'streamspace.v1';

export const TRANSPORTS = ['webrtc', 'websocket', 'rfb'] as const;
export type Transport = (typeof TRANSPORTS)[number];
export type Role = 'owner' | 'controller' | 'viewer';
export type ClipboardPolicy = 'both' | 'in' | 'out' | 'none';

export interface Size {
  width: number;
  height: number;
}

export interface SessionPolicy {
  clipboard: ClipboardPolicy;
  /** Largest clipboard text in bytes of UTF-8. */
  clipboard_limit: number;
  audio: boolean;
  max_width: number;
  max_height: number;
}

export interface AppStatus {
  state: 'starting' | 'running' | 'exited';
  pid: number | null;
  exit_code: number | null;
  signal: number | null;
  restarts: number;
}

export interface Hello {
  type: 'hello';
  protocol: number;
  viewer: string;
  user: string;
  role: Role;
  app: { name: string; title: string };
  policy: SessionPolicy;
  transports: Transport[];
  screen: Size | null;
  ice_servers: RTCIceServer[];
}

export interface Status {
  type: 'status';
  state: 'starting' | 'running' | 'failed' | 'stopping';
  message: string;
  app: AppStatus;
}

export interface VideoConfig extends Size {
  type: 'video';
  epoch: number;
  /** WebCodecs codec string. */
  codec: string;
}

export interface CursorMessage extends Size {
  type: 'cursor';
  hot_x: number;
  hot_y: number;
  /** Base64; null: the cursor is hidden. */
  png: string | null;
}

export interface ErrorMessage {
  type: 'error';
  code: string;
  message: string;
  field?: string;
}

export type ServerMessage =
  | Hello
  | Status
  | VideoConfig
  | ({ type: 'screen' } & Size)
  | CursorMessage
  | { type: 'clipboard'; text: string }
  | { type: 'rtc_answer'; sdp: string }
  | { type: 'viewers'; count: number }
  | { type: 'pong'; t: number; frames?: number }
  | ErrorMessage
  | { type: 'bye'; reason: string; message: string };

export type ClientMessage =
  | { type: 'start'; transport: Transport; audio: boolean }
  | { type: 'stop'; transport: Transport }
  | { type: 'rtc_offer'; sdp: string }
  | { type: 'rtc_candidate'; candidate: string; mid: string }
  | { type: 'pointer'; x: number; y: number; buttons: number }
  | { type: 'pointer_relative'; dx: number; dy: number; buttons: number }
  | { type: 'wheel'; x: number; y: number; dx: number; dy: number }
  | { type: 'key'; keysym: number; down: boolean }
  | { type: 'release_keys' }
  | { type: 'clipboard'; text: string }
  | ({ type: 'resize' } & Size)
  | { type: 'keyframe' }
  | { type: 'visibility'; hidden: boolean }
  | { type: 'restart_app' }
  | { type: 'ping'; t: number };

export type Send = (message: ClientMessage) => void;

const SERVER_TYPES = new Set<string>([
  'hello',
  'status',
  'video',
  'screen',
  'cursor',
  'clipboard',
  'rtc_answer',
  'viewers',
  'pong',
  'error',
  'bye',
]);

/** The message in `text`, or null when it is none that this page knows (a newer streamer may say more). */
export function parseServerMessage(text: string): ServerMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !('type' in value)) {
    return null;
  }
  return SERVER_TYPES.has(value.type as string) ? (value as ServerMessage) : null;
}

export interface MediaPacket {
  kind: 'video' | 'audio';
  keyframe: boolean;
  epoch: number;
  /** Counts up within one socket. */
  id: number;
  /** Microseconds on the streamer's monotonic clock. */
  captureUs: number;
  payload: Uint8Array<ArrayBuffer>;
}

const HEADER_BYTES = 16;
const KINDS = new Map<number, MediaPacket['kind']>([
  [1, 'video'],
  [2, 'audio'],
]);

/** The packet in a binary message, or null when the header is not one of ours. */
export function decodeMedia(data: ArrayBuffer): MediaPacket | null {
  if (data.byteLength < HEADER_BYTES) {
    return null;
  }
  const view = new DataView(data);
  const kind = KINDS.get(view.getUint8(0));
  if (kind === undefined) {
    return null;
  }
  return {
    kind,
    keyframe: (view.getUint8(1) & 1) === 1,
    epoch: view.getUint16(2),
    id: view.getUint32(4),
    captureUs: Number(view.getBigUint64(8)),
    payload: new Uint8Array(data, HEADER_BYTES),
  };
}

/** The acknowledgement of video frame `id`, with `queue` frames waiting in the decoder. */
export function encodeAck(id: number, queue: number): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint8(0, 1);
  view.setUint16(2, Math.min(queue, 0xffff));
  view.setUint32(4, id);
  return view.buffer;
}

const encoder = new TextEncoder();

/** Length of `text` in bytes of UTF-8, which is what the clipboard limit counts. */
export function utf8Length(text: string): number {
  return encoder.encode(text).byteLength;
}
