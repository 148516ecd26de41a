/**
 * Where decoded pictures go. Measured (click to photon, software decoding, a full machine): a video track written to by
 * a worker is quickest, a canvas of the page's own next; a canvas that a worker draws on came last by far, since its
 * pictures wait for two more turns of the browser.
 */

export interface Sink {
  /** Show picture number `id`. The source stays the caller's. */
  show: (source: VideoFrame | ImageBitmap, id: number, width: number, height: number) => void;
}

/** Microseconds between the timestamps of two pictures: any will do, since they are shown when they are ready. */
export const TIMESTAMP_STEP = 1000;

export function canvasSink(canvas: HTMLCanvasElement): Sink {
  // Opaque and desynchronized: the picture skips the page's compositing where the browser can.
  const context = canvas.getContext('2d', { alpha: false, desynchronized: true });
  return {
    show: (source, _, width, height) => {
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
      }
      context?.drawImage(source, 0, 0);
    },
  };
}

/** `failed`: the track takes no more pictures. */
export function trackSink(track: WritableStream<VideoFrame>, failed: (reason: string) => void): Sink {
  const writer = track.getWriter();
  return {
    show: (source, id) => {
      // A frame that is written is the track's: it closes it.
      writer
        .write(new VideoFrame(source, { timestamp: id * TIMESTAMP_STEP }))
        .catch((error: unknown) => failed(`video track: ${String(error)}`));
    },
  };
}

/** A video track that is fed by hand (w3c mediacapture-transform, as Chromium has it on the page). */
interface TrackGenerator extends MediaStreamTrack {
  readonly writable: WritableStream<VideoFrame>;
}

type TrackGeneratorClass = new (options: { kind: 'video' }) => TrackGenerator;

function trackGenerator(): TrackGeneratorClass | undefined {
  return (globalThis as { MediaStreamTrackGenerator?: TrackGeneratorClass }).MediaStreamTrackGenerator;
}

/** Whether a worker can write to a video of the page. */
export function hasTracks(): boolean {
  return trackGenerator() !== undefined && typeof Worker !== 'undefined';
}

/** Make `video` show what is written to the returned stream. */
export function feed(video: HTMLVideoElement): WritableStream<VideoFrame> {
  const Generator = trackGenerator();
  if (!Generator) {
    throw new Error('this browser has no MediaStreamTrackGenerator');
  }
  const track = new Generator({ kind: 'video' });
  video.muted = video.autoplay = video.playsInline = true;
  video.disablePictureInPicture = true;
  video.srcObject = new MediaStream([track]);
  video.play().catch(() => undefined);
  return track.writable;
}
