/** What this browser can show. */

import type { Transport } from './protocol';

/** Constrained Baseline 4.0: what the streamer sends for ordinary screens. */
const CODEC = 'avc1.42e028';

export async function ableTransports(): Promise<Transport[]> {
  const able: Transport[] = ['rfb'];
  if (receivesH264()) {
    able.push('webrtc');
  }
  if (await decodesH264()) {
    able.push('websocket');
  }
  return able;
}

async function decodesH264(): Promise<boolean> {
  if (typeof VideoDecoder === 'undefined') {
    return false;
  }
  try {
    const { supported } = await VideoDecoder.isConfigSupported({ codec: CODEC, optimizeForLatency: true });
    return supported === true;
  } catch {
    return false;
  }
}

function receivesH264(): boolean {
  if (typeof RTCPeerConnection === 'undefined' || typeof RTCRtpReceiver === 'undefined') {
    return false;
  }
  const codecs = RTCRtpReceiver.getCapabilities('video')?.codecs;
  return codecs?.some(codec => codec.mimeType.toLowerCase() === 'video/h264') ?? false;
}
