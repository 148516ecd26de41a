/**
 * Encoded pictures in, shown pictures out: WebCodecs for H.264 and VP8, the image decoder for JPEG. The newest picture
 * is shown the moment it is decoded. Runs in a worker, or in the page where the browser cannot do that; knows
 * neither which, nor the socket.
 */

import type { MediaPacket, VideoConfig } from '../protocol';
import { Acknowledger } from './acknowledger';
import { TIMESTAMP_STEP, type Sink } from './sinks';

/** A picture that was shown. */
export interface Painted {
  captureUs: number;
  /** When it was shown: milliseconds since 1970, which mean the same in page and worker. */
  at: number;
  width: number;
  height: number;
}

export interface PainterEvents {
  acknowledge: (id: number, queue: number) => void;
  painted: (picture: Painted) => void;
  askKeyframe: () => void;
  /** It cannot go on. */
  failed: (reason: string) => void;
}

/** A picture that has been in the decoder for so long will not come by itself. */
const STUCK_MS = 1000;
const WATCH_MS = 250;
const KEYFRAME_MS = 500;
const FIRST_FRAME_MS = 10_000;

export class Painter {
  private readonly acks: Acknowledger;
  private decoder: VideoDecoder | null = null;
  private video: VideoConfig | null = null;
  private needsKeyframe = true;
  private preferSoftware = false;
  private keyframeAskedAt = -Infinity;
  /** Frames in the decoder: id -> when they went in, and when they were captured. */
  private readonly decoding = new Map<number, { since: number; captureUs: number }>();
  private hidden = false;
  private watch: ReturnType<typeof setInterval> | undefined;
  private watchedAt = 0;
  private startedAt = 0;
  private shown = false;
  private newestShown = -1;

  constructor(
    private readonly sink: Sink,
    private readonly events: PainterEvents,
  ) {
    this.acks = new Acknowledger(events.acknowledge);
    this.startedAt = this.watchedAt = performance.now();
    this.watch = setInterval(() => this.check(), WATCH_MS);
  }

  close(): void {
    clearInterval(this.watch);
    this.empty();
    this.video = null;
  }

  /** Whether the page can be seen: browsers hold pictures back while it cannot. */
  hide(hidden: boolean): void {
    this.hidden = hidden;
  }

  /** The parameters of the frames that follow. */
  configure(video: VideoConfig): void {
    this.video = video;
    this.open();
  }

  push(packet: MediaPacket): void {
    const ready = this.video !== null && packet.epoch === this.video.epoch;
    const usable = ready && (packet.keyframe || !this.needsKeyframe);
    if (usable) {
      this.needsKeyframe = false;
      this.decoding.set(packet.id, { since: performance.now(), captureUs: packet.captureUs });
    } else if (this.video) {
      this.askKeyframe();
    }
    this.acks.arrived(packet.id, usable);
    if (usable) {
      this.decode(packet);
    }
  }

  private decode(packet: MediaPacket): void {
    if (!this.decoder) {
      void this.decodeImage(packet);
      return;
    }
    try {
      this.decoder.decode(
        new EncodedVideoChunk({
          type: packet.keyframe ? 'key' : 'delta',
          timestamp: packet.id * TIMESTAMP_STEP,
          data: packet.payload,
        }),
      );
    } catch (error) {
      this.broken(String(error));
    }
  }

  private async decodeImage({ id, epoch, payload }: MediaPacket): Promise<void> {
    try {
      const image = await createImageBitmap(new Blob([payload], { type: 'image/jpeg' }));
      // Images are decoded side by side: an older one may be ready later.
      if (epoch === this.video?.epoch && id > this.newestShown) {
        this.show(id, image, image.width, image.height);
      }
      image.close();
    } catch (error) {
      this.events.failed(`image decoder: ${String(error)}`);
    }
  }

  private open(): void {
    this.empty();
    const video = this.video;
    if (!video || video.codec === 'jpeg') {
      return;
    }
    const decoder = new VideoDecoder({
      output: frame => {
        if (decoder === this.decoder) {
          this.show(frame.timestamp / TIMESTAMP_STEP, frame, frame.displayWidth, frame.displayHeight);
        }
        frame.close();
      },
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

  private empty(): void {
    if (this.decoder && this.decoder.state !== 'closed') {
      this.decoder.close();
    }
    this.decoder = null;
    this.needsKeyframe = true;
    this.newestShown = -1;
    this.decoding.clear();
    this.acks.emptied();
  }

  private show(id: number, source: VideoFrame | ImageBitmap, width: number, height: number): void {
    this.sink.show(source, id, width, height);
    this.newestShown = id;
    this.shown = true;
    const captureUs = this.decoding.get(id)?.captureUs ?? 0;
    for (const waiting of this.decoding.keys()) {
      if (waiting <= id) {
        this.decoding.delete(waiting);
      }
    }
    this.acks.decoded(id);
    this.events.painted({ captureUs, at: performance.timeOrigin + performance.now(), width, height });
  }

  private askKeyframe(): void {
    const now = performance.now();
    if (now - this.keyframeAskedAt > KEYFRAME_MS) {
      this.keyframeAskedAt = now;
      this.events.askKeyframe();
    }
  }

  /** Some hardware decoders fail, or hold pictures back (w3c/webcodecs #528, #732, #899): software is next. */
  private broken(reason: string): void {
    if (this.preferSoftware || !this.decoder) {
      this.events.failed(`video decoder: ${reason}`);
      return;
    }
    this.preferSoftware = true;
    this.open();
    this.askKeyframe();
  }

  private check(): void {
    const now = performance.now();
    const late = now - this.watchedAt > 4 * WATCH_MS;
    this.watchedAt = now;
    if (late || this.hidden) {
      // The page itself was held up, and the pictures with it.
      this.startedAt = now;
      return;
    }
    const oldest = this.decoding.values().next().value;
    if (oldest !== undefined && now - oldest.since > STUCK_MS) {
      this.broken('pictures stay in the decoder');
    } else if (!this.shown && now - this.startedAt > FIRST_FRAME_MS) {
      this.events.failed('no picture came');
    } else if (!this.shown && this.video && now - this.startedAt > 2 * KEYFRAME_MS) {
      this.askKeyframe();
    }
  }
}
