/** What the page measures, for `stats()`, the overlay and the streamer's metrics. */

import type { PageStatistics } from './api';
import type { Media } from './media';
import type { Meter } from './meter';
import type { Send } from './protocol';

const REPORT_MS = 5000;

export function pageStatistics(meter: Meter, media: Media, audio: number): PageStatistics {
  const { frames, fps, bytes, bitrate, roundTrip, dropped, freezes, freezeMs, switches } = meter;
  const { transport, screen, codec, targetBitrate, phases, viewers, packets } = media;
  return {
    frames,
    fps,
    bytes,
    bitrate,
    targetBitrate,
    latency: meter.inputLatency,
    inputLatency: meter.inputSpread,
    captureLatency: meter.latency,
    phases,
    viewers,
    roundTrip,
    dropped,
    packets,
    freezes,
    freezeMs,
    switches,
    firstPicture: meter.firstPicture,
    transport,
    codec,
    picture: transport === 'rfb' ? screen : meter.pictureSize,
    screen,
    audio,
  };
}

/** Tell the streamer what this page has seen, as long as there is something to tell. */
export function startReporting(meter: Meter, send: Send): void {
  window.setInterval(() => {
    const report = meter.report();
    if (report) {
      send(report);
    }
  }, REPORT_MS);
}
