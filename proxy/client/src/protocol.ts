/**
 * The viewer protocol (docs/reference/protocol.md): message types, and the binary layouts in both directions.
 * Pure data: knows no socket and no DOM.
 */

export const SUBPROTOCOL = 'streamspace.v1';

export const TRANSPORTS = ['webrtc', 'websocket', 'rfb', 'http'] as const;
export type Transport = (typeof TRANSPORTS)[number];
export type Role = 'owner' | 'controller' | 'viewer';
/** What WebCodecs (h264, vp8) or the image decoder (jpeg) may be asked to decode; the names of `start.codecs`. */
export const CODECS = ['h264', 'vp8', 'jpeg'] as const;
export type Codec = (typeof CODECS)[number];
/** Of a frame in the session, in their order; `queue`: from encoded to written to this viewer. */
export const PHASES = ['capture', 'convert', 'encode', 'queue'] as const;
export type Phase = (typeof PHASES)[number];
/** What an encoder spends its bits on. */
export const PRESETS = ['sharp', 'smooth', 'low_data'] as const;
export type Preset = (typeof PRESETS)[number];
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
  /** Whether the session may listen to the owner's and controllers' microphones. */
  microphone?: boolean;
  /** Bits in a second. */
  max_bitrate?: number;
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
  /** What the streamer can encode; absent: H.264 only. */
  codecs?: Codec[];
  /** Absent: one quality for all. */
  presets?: Preset[];
  preset?: Preset;
}

export interface Status {
  type: 'status';
  state: 'starting' | 'running' | 'failed' | 'stopping';
  message: string;
  app: AppStatus;
  /** Absent: awake. */
  sleep?: 'awake' | 'frozen' | 'hibernating' | 'asleep';
}

export type SleepStep = 'freeze' | 'hibernate' | 'stop';

/** What is going to happen to the session unless somebody uses it. */
export interface SleepWarningMessage {
  type: 'sleep_warning';
  /** Null: nothing, or no longer. */
  step: SleepStep | null;
  /** Until it happens. */
  seconds: number;
  /** Whether using the session puts it off. */
  keepable: boolean;
}

/** What the hub's administrators announce. */
export interface AnnouncementMessage {
  type: 'announcement';
  /** Empty: nothing, or no longer. */
  text: string;
}

/** Width and height are the picture's: smaller than the screen's where the line is thin. */
export interface VideoConfig extends Size {
  type: 'video';
  epoch: number;
  /** WebCodecs codec string, or `jpeg`. */
  codec: string;
}

export interface Pong {
  type: 'pong';
  t: number;
  /** Video frames sent to this viewer so far. */
  frames?: number;
  /** Microseconds on the streamer's clock, the one of capture times. */
  now?: number;
  /** Bits in a second that the encoder aims at. */
  bitrate?: number;
  /** Connected pages. */
  viewers?: number;
  /** Milliseconds of each phase of this viewer's last frames; without those of which there is nothing. */
  phases?: Partial<Record<Phase, { p50: number; p95: number }>>;
}

/** The frame captured at `capture` (microseconds) bears this RTP timestamp (90 kHz). */
export interface RtcClock {
  type: 'rtc_clock';
  rtp: number;
  capture: number;
}

/** What a page has seen since its last report. All optional: what was not measured is left out. */
export interface Report {
  type: 'report';
  first_picture_ms?: number;
  freezes?: number;
  freeze_ms?: number;
  switches?: number;
  /** Capture to presented, of real frames; at most 50. */
  latency_ms?: number[];
  /** Input to picture; at most 50. */
  input_ms?: number[];
  round_trip_ms?: number;
  dropped?: number;
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
  | Pong
  | RtcClock
  | { type: 'quality'; preset: Preset }
  | SleepWarningMessage
  | AnnouncementMessage
  | ErrorMessage
  | { type: 'bye'; reason: string; message: string };

export type ClientMessage =
  | { type: 'start'; transport: Transport; audio: boolean; codecs?: readonly Codec[] }
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
  | { type: 'keep_awake' }
  | { type: 'quality'; preset: Preset }
  | Report
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
  'rtc_clock',
  'quality',
  'sleep_warning',
  'announcement',
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

/** The acknowledgement of video frame `id`, `heldMs` after it came, with `queue` frames waiting in the decoder. */
export function encodeAck(id: number, queue: number, heldMs: number): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint8(0, 1);
  view.setUint8(1, Math.min(Math.max(0, Math.floor(heldMs)), 0xff));
  view.setUint16(2, Math.min(queue, 0xffff));
  view.setUint32(4, id);
  return view.buffer;
}

/** One Opus packet of the microphone, 20 ms. */
export function encodeMicrophone(sequence: number, packet: Uint8Array): ArrayBuffer {
  const data = new Uint8Array(8 + packet.byteLength);
  const view = new DataView(data.buffer);
  view.setUint8(0, 2);
  view.setUint16(2, sequence & 0xffff);
  data.set(packet, 8);
  return data.buffer;
}

const encoder = new TextEncoder();

/** Length of `text` in bytes of UTF-8, which is what the clipboard limit counts. */
export function utf8Length(text: string): number {
  return encoder.encode(text).byteLength;
}
