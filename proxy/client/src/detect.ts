/** What this browser can show. Asks the browser; the choice among it is the ladder's. */

import { hasTracks } from './transports/sinks';
import type { Codec, Hello, Transport } from './protocol';

export interface Abilities {
  /** Codecs that can be decoded from the viewer socket, the best first. */
  readonly websocket: readonly Codec[];
  /** The same, where the viewer socket goes by requests. */
  readonly http: readonly Codec[];
  /** Codecs that WebRTC can receive. */
  readonly webrtc: readonly Codec[];
  /** Whether decoding can leave the page's own thread: workers decode where pages do, and can show what they decoded. */
  readonly worker: boolean;
}

/** Of H.264: Constrained Baseline 4.0, what the streamer sends for ordinary screens. */
const WEBCODECS: readonly (readonly [Codec, string])[] = [
  ['h264', 'avc1.42e028'],
  ['vp8', 'vp8'],
];
/** Streamers that do not say what they encode have this. */
const DEFAULT_CODECS: readonly Codec[] = ['h264'];

export async function detect(): Promise<Abilities> {
  const found = await Promise.all(
    WEBCODECS.map(async ([name, codec]) => ((await decodes(codec)) ? name : null)),
  );
  const websocket = found.filter(name => name !== null);
  if (typeof createImageBitmap === 'function') {
    websocket.push('jpeg');
  }
  return { websocket, http: websocket, webrtc: receives(), worker: hasTracks() };
}

/** The rungs on which browser and streamer share a codec, within what the streamer offers. */
export function rungs(able: Abilities, hello: Pick<Hello, 'transports' | 'codecs'>): Transport[] {
  return hello.transports.filter(name => name === 'rfb' || common(able[name], hello.codecs).length > 0);
}

/** What both sides have, in the browser's order. */
export function common(able: readonly Codec[], offered: readonly Codec[] = DEFAULT_CODECS): Codec[] {
  return able.filter(codec => offered.includes(codec));
}

async function decodes(codec: string): Promise<boolean> {
  if (typeof VideoDecoder === 'undefined') {
    return false;
  }
  for (const hardwareAcceleration of ['no-preference', 'prefer-software'] as const) {
    try {
      const config = { codec, optimizeForLatency: true, hardwareAcceleration };
      if ((await VideoDecoder.isConfigSupported(config)).supported === true) {
        return true;
      }
    } catch {
      // Not even the question is understood.
    }
  }
  return false;
}

function receives(): Codec[] {
  if (typeof RTCPeerConnection === 'undefined' || typeof RTCRtpReceiver === 'undefined') {
    return [];
  }
  const types = RTCRtpReceiver.getCapabilities('video')?.codecs.map(codec => codec.mimeType.toLowerCase());
  return (['h264', 'vp8'] as const).filter(codec => types?.includes(`video/${codec}`));
}
