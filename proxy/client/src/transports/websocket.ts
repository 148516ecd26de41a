/**
 * Pictures in the viewer socket's binary messages -> decoder -> video or canvas. Decoding is a worker's where it can
 * write to a video of the page (`painter.ts` runs in it), else the page's own.
 */

import { encodeAck, type MediaPacket, type VideoConfig } from '../protocol';
import { Painter, type PainterEvents } from './painter';
import { canvasSink, feed } from './sinks';
import type { PictureTransport, TransportEvents } from './types';
import type { FromWorker, ToWorker } from './worker_messages';

/** Named by the build, with the hash of what it holds: caches may keep it for good. */
declare const DECODE_WORKER: string;

export interface WebSocketTransportOptions extends TransportEvents {
  /** How the viewer socket goes. */
  name: 'websocket' | 'http';
  sendBinary: (data: ArrayBuffer) => void;
  worker: boolean;
}

type Decoding = Pick<Painter, 'configure' | 'push' | 'hide' | 'close'>;

export class WebSocketTransport implements PictureTransport {
  readonly name: 'websocket' | 'http';
  readonly element: HTMLVideoElement | HTMLCanvasElement;
  private decoding: Decoding | null = null;
  /** When each frame came that is not acknowledged yet, by id. */
  private readonly arrivals = new Map<number, number>();

  constructor(private readonly options: WebSocketTransportOptions) {
    this.name = options.name;
    this.element = document.createElement(options.worker ? 'video' : 'canvas');
  }

  start(): void {
    const { options } = this;
    const events: PainterEvents = {
      acknowledge: (id, queue) => options.sendBinary(encodeAck(id, queue, this.held(id))),
      painted: ({ captureUs, at, width, height }) =>
        options.frame({ captureUs, at: at - performance.timeOrigin, size: { width, height } }),
      askKeyframe: () => options.send({ type: 'keyframe' }),
      failed: options.failed,
    };
    this.decoding =
      this.element instanceof HTMLVideoElement
        ? inWorker(feed(this.element), events)
        : new Painter(canvasSink(this.element), events);
    this.hide(document.hidden);
  }

  stop(): void {
    this.decoding?.close();
    this.decoding = null;
  }

  hide(hidden: boolean): void {
    this.decoding?.hide(hidden);
  }

  /** The parameters of the frames that follow. */
  configure(video: VideoConfig): void {
    this.decoding?.configure(video);
  }

  push(packet: MediaPacket): void {
    this.options.received(packet.payload.byteLength);
    this.arrivals.set(packet.id, performance.now());
    this.decoding?.push(packet);
  }

  /** Milliseconds since frame `id` came, which is acknowledged now, and all before it. */
  private held(id: number): number {
    const now = performance.now();
    const arrival = this.arrivals.get(id) ?? now;
    for (const earlier of this.arrivals.keys()) {
      if (earlier <= id) {
        this.arrivals.delete(earlier);
      }
    }
    return now - arrival;
  }
}

/** A worker that has nothing to do yet: the first transport finds it loaded. */
let spare: Worker | null = null;

/** Load the worker while the socket is still connecting. */
export function prepareWorker(): void {
  spare = makeWorker();
  spare.onerror = () => {
    // The transport makes its own, and hears why that fails.
    spare = null;
  };
}

function makeWorker(): Worker {
  return new Worker(new URL(DECODE_WORKER, import.meta.url));
}

function inWorker(track: WritableStream<VideoFrame>, events: PainterEvents): Decoding {
  const worker = spare ?? makeWorker();
  spare = null;
  const post = (message: ToWorker, transfer: Transferable[] = []) => worker.postMessage(message, transfer);
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    switch (data.type) {
      case 'acknowledge':
        events.acknowledge(data.id, data.queue);
        break;
      case 'painted':
        events.painted(data.picture);
        break;
      case 'askKeyframe':
        events.askKeyframe();
        break;
      case 'failed':
        events.failed(data.reason);
        break;
    }
  };
  worker.onerror = event => events.failed(`decoding worker: ${event.message || 'could not be loaded'}`);
  post({ type: 'open', track, hidden: document.hidden }, [track]);
  return {
    configure: video => post({ type: 'configure', video }),
    push: packet => post({ type: 'push', packet }, [packet.payload.buffer]),
    hide: hidden => post({ type: 'hide', hidden }),
    close: () => {
      worker.onmessage = worker.onerror = null;
      worker.terminate();
    },
  };
}
