/**
 * H.264 in the viewer socket's binary messages -> WebCodecs -> a canvas. The newest picture is drawn the moment it is
 * decoded. Each frame is acknowledged, which is what the streamer paces itself by.
 */

import { encodeAck, type MediaPacket, type VideoConfig } from '../protocol';
import type { PictureTransport, TransportEvents } from './types';

export interface WebSocketTransportOptions extends TransportEvents {
  sendBinary: (data: ArrayBuffer) => void;
}

/** A picture that has been in the decoder for so long will not come by itself. */
const STUCK_MS = 1000;
const WATCH_MS = 250;
const KEYFRAME_MS = 500;
const FIRST_FRAME_MS = 10_000;
/** With more frames than this in the decoder, an acknowledgement waits until one is out: no queue may build up. */
const SHALLOW_QUEUE = 1;

export class WebSocketTransport implements PictureTransport {
  readonly name = 'websocket';
  readonly element = document.createElement('canvas');

  private readonly context: CanvasRenderingContext2D | null;
  private decoder: VideoDecoder | null = null;
  private video: VideoConfig | null = null;
  private needsKeyframe = true;
  private preferSoftware = false;
  private keyframeAskedAt = -Infinity;
  /** Frames in the decoder: id -> when they went in. */
  private readonly decoding = new Map<number, number>();
  private newest = 0;
  private unacknowledged = false;
  private watch = 0;
  private watchedAt = 0;
  private startedAt = 0;
  private drawn = false;

  constructor(private readonly options: WebSocketTransportOptions) {
    // Opaque and desynchronized: the picture skips the page's compositing where the browser can.
    this.context = this.element.getContext('2d', { alpha: false, desynchronized: true });
  }

  start(): void {
    this.startedAt = performance.now();
    this.watchedAt = this.startedAt;
    this.drawn = false;
    this.watch = window.setInterval(() => this.check(), WATCH_MS);
  }

  stop(): void {
    window.clearInterval(this.watch);
    this.watch = 0;
    this.close();
    this.video = null;
  }

  /** The parameters of the frames that follow. */
  configure(video: VideoConfig): void {
    this.video = video;
    this.open();
  }

  push(packet: MediaPacket): void {
    this.options.received(packet.payload.byteLength);
    this.newest = packet.id;
    if (this.decoder && packet.epoch === this.video?.epoch && (packet.keyframe || !this.needsKeyframe)) {
      this.decode(this.decoder, packet);
    } else if (this.video) {
      this.askKeyframe();
    }
    if (this.decoding.size <= SHALLOW_QUEUE) {
      this.acknowledge();
    } else {
      this.unacknowledged = true;
    }
  }

  private decode(decoder: VideoDecoder, packet: MediaPacket): void {
    this.needsKeyframe = false;
    this.decoding.set(packet.id, performance.now());
    try {
      decoder.decode(
        new EncodedVideoChunk({
          type: packet.keyframe ? 'key' : 'delta',
          // Any increasing number will do: pictures are shown when they are ready, not when they are due.
          timestamp: packet.id,
          data: packet.payload,
        }),
      );
    } catch (error) {
      this.broken(String(error));
    }
  }

  private open(): void {
    this.close();
    const video = this.video;
    if (!video) {
      return;
    }
    this.needsKeyframe = true;
    const decoder = new VideoDecoder({
      output: frame => (decoder === this.decoder ? this.draw(frame) : frame.close()),
      error: error => {
        if (decoder === this.decoder) {
          this.broken(error.message);
        }
      },
    });
    this.decoder = decoder;
    decoder.configure({
      codec: video.codec,
      codedWidth: video.width,
      codedHeight: video.height,
      optimizeForLatency: true,
      hardwareAcceleration: this.preferSoftware ? 'prefer-software' : 'no-preference',
    });
  }

  private close(): void {
    if (this.decoder && this.decoder.state !== 'closed') {
      this.decoder.close();
    }
    this.decoder = null;
    this.decoding.clear();
    this.unacknowledged = false;
  }

  private draw(frame: VideoFrame): void {
    const { displayWidth: width, displayHeight: height } = frame;
    if (this.element.width !== width || this.element.height !== height) {
      this.element.width = width;
      this.element.height = height;
    }
    this.context?.drawImage(frame, 0, 0);
    for (const id of this.decoding.keys()) {
      if (id <= frame.timestamp) {
        this.decoding.delete(id);
      }
    }
    frame.close();
    if (this.unacknowledged) {
      this.acknowledge();
    }
    this.drawn = true;
    this.options.frame();
  }

  private acknowledge(): void {
    this.unacknowledged = false;
    this.options.sendBinary(encodeAck(this.newest, this.decoding.size));
  }

  private askKeyframe(): void {
    const now = performance.now();
    if (now - this.keyframeAskedAt > KEYFRAME_MS) {
      this.keyframeAskedAt = now;
      this.options.send({ type: 'keyframe' });
    }
  }

  /** Some hardware decoders fail, or hold pictures back (w3c/webcodecs #528, #732, #899): software is next. */
  private broken(reason: string): void {
    if (this.preferSoftware) {
      this.options.failed(`video decoder: ${reason}`);
      return;
    }
    this.preferSoftware = true;
    this.open();
    this.acknowledge();
    this.askKeyframe();
  }

  private check(): void {
    const now = performance.now();
    const late = now - this.watchedAt > 4 * WATCH_MS;
    this.watchedAt = now;
    if (late || document.hidden) {
      // The page itself was held up, and the pictures with it.
      this.startedAt = now;
      return;
    }
    const oldest = this.decoding.values().next().value;
    if (oldest !== undefined && now - oldest > STUCK_MS) {
      this.broken('pictures stay in the decoder');
    } else if (!this.drawn && now - this.startedAt > FIRST_FRAME_MS) {
      this.options.failed('no picture came');
    } else if (!this.drawn && this.video && now - this.startedAt > 2 * KEYFRAME_MS) {
      this.askKeyframe();
    }
  }
}
