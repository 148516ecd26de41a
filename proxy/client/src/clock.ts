/**
 * The streamer's clock seen from the page, so that the time from capture to screen is measured on real frames. Pure.
 * The offset is taken as NTP does (RFC 5905 section 8): half of the round trip is the way back; the answer that was
 * quickest there and back says most.
 */

/** Clocks drift by some 20 us a second: what is older than this is forgotten. */
const KEEP_MS = 120_000;
const RTP_RATE_KHZ = 90;
const RTP_WRAP = 2 ** 32;

interface Sample {
  at: number;
  roundTrip: number;
  /** Page's milliseconds minus streamer's. */
  offset: number;
}

export class StreamerClock {
  private samples: Sample[] = [];
  private rtp: { stamp: number; captureUs: number } | null = null;

  /** A ping sent at `sent` was answered at `received` (page's milliseconds); the streamer's clock said `nowUs`. */
  note(sent: number, received: number, nowUs: number): void {
    const sample = { at: received, roundTrip: received - sent, offset: (sent + received) / 2 - nowUs / 1000 };
    this.samples = this.samples.filter(old => received - old.at < KEEP_MS);
    this.samples.push(sample);
  }

  /** The frame captured at `captureUs` bears the RTP timestamp `stamp`. */
  noteRtp(stamp: number, captureUs: number): void {
    this.rtp = { stamp, captureUs };
  }

  /** Another streamer: its clock has nothing to do with the last one's. */
  reset(): void {
    this.samples = [];
    this.rtp = null;
  }

  /** When the frame with RTP timestamp `stamp` was captured, in microseconds of the streamer; null: not known yet. */
  captureOf(stamp: number): number | null {
    if (this.rtp === null) {
      return null;
    }
    // The nearest way around: timestamps wrap every 13 hours, and the frame may be older than the mark.
    const ahead = (stamp - this.rtp.stamp + RTP_WRAP) % RTP_WRAP;
    const ticks = ahead > RTP_WRAP / 2 ? ahead - RTP_WRAP : ahead;
    return this.rtp.captureUs + (ticks * 1000) / RTP_RATE_KHZ;
  }

  /** Milliseconds from capture (microseconds of the streamer) to `at` (page); null: the clocks are not compared yet. */
  latency(captureUs: number, at: number): number | null {
    const best = this.samples.reduce<Sample | null>(
      (least, sample) => (least === null || sample.roundTrip < least.roundTrip ? sample : least),
      null,
    );
    return best === null ? null : Math.max(at - (captureUs / 1000 + best.offset), 0);
  }
}
