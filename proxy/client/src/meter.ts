/**
 * Counts what arrives: frames, bytes, delays, freezes. Knows no transport. `stats()` shows the last seconds, `report`
 * what happened since the last report.
 */

import type { Report, Size } from './protocol';
import type { Presented } from './transports/types';

const WINDOW_MS = 2000;
/** Delays are shown over this. */
const DELAYS_MS = 10_000;
/** Frames that were sent and are not seen for so long: the picture froze. */
const FREEZE_MS = 300;
/** An input without a picture for so long had no effect on the screen. */
const FRUITLESS_MS = 1000;
/** Longest lists of a report (docs/reference/protocol.md). */
const REPORTED = 50;

export interface Spread {
  p50: number;
  p95: number;
  n: number;
}

/** Delays of the last seconds, and those that no report has told yet. */
class Delays {
  private recent: { at: number; ms: number }[] = [];
  private untold: number[] = [];

  constructor(private readonly now: () => number) {}

  add(ms: number): void {
    this.recent.push({ at: this.now(), ms });
    this.untold.push(ms);
    if (this.untold.length > 8 * REPORTED) {
      this.untold = thin(this.untold, REPORTED);
    }
  }

  get spread(): Spread | null {
    const oldest = this.now() - DELAYS_MS;
    this.recent = this.recent.filter(({ at }) => at > oldest);
    return spread(this.recent.map(({ ms }) => ms));
  }

  take(): number[] {
    const told = thin(this.untold, REPORTED);
    this.untold = [];
    return told;
  }
}

export class Meter {
  frames = 0;
  bytes = 0;
  dropped = 0;
  freezes = 0;
  freezeMs = 0;
  /** Changes of transport while a picture was there. */
  switches = 0;
  /** From opening the page to the first picture. */
  firstPicture: number | null = null;
  /** Milliseconds from the last key or button to the first picture after it; null before the first. */
  inputLatency: number | null = null;
  /** Milliseconds of the last ping on the viewer socket. */
  roundTrip: number | null = null;
  /** The size of the last picture, which may be smaller than the screen. */
  pictureSize: Size | null = null;

  private recent: { at: number; frames: number; bytes: number }[] = [];
  private inputAt: number | null = null;
  private readonly latencies: Delays;
  private readonly inputs: Delays;
  private told = { dropped: 0, freezes: 0, freezeMs: 0, switches: 0, firstPicture: false };

  constructor(private readonly now: () => number = () => performance.now()) {
    this.latencies = new Delays(now);
    this.inputs = new Delays(now);
  }

  /** A picture was shown; `latency` from its capture, where that is known. */
  frame(picture?: Presented, latency: number | null = null): void {
    this.frames += 1;
    this.firstPicture ??= this.now();
    this.pictureSize = picture?.size ?? this.pictureSize;
    this.note(1, 0);
    if (latency !== null) {
      this.latencies.add(latency);
    }
    // A picture that was captured before the input cannot show what came of it.
    const captured = this.now() - (latency ?? 0);
    if (this.inputAt !== null && captured >= this.inputAt) {
      this.inputLatency = this.now() - this.inputAt;
      this.inputAt = null;
      this.inputs.add(this.inputLatency);
    }
  }

  received(bytes: number): void {
    this.bytes += bytes;
    this.note(0, bytes);
  }

  /** A key or button went out. The first that no picture has answered counts, unless it changes nothing at all. */
  input(): void {
    const now = this.now();
    if (this.inputAt === null || now - this.inputAt > FRUITLESS_MS) {
      this.inputAt = now;
    }
  }

  /** Frames were sent, and for `ms` none was seen. */
  starved(ms: number): void {
    if (ms > FREEZE_MS) {
      this.freezes += 1;
      this.freezeMs += ms;
    }
  }

  /** Capture to screen, over the last seconds. */
  get latency(): Spread | null {
    return this.latencies.spread;
  }

  /** Input to picture, over the last seconds. */
  get inputSpread(): Spread | null {
    return this.inputs.spread;
  }

  /** Frames in a second, over the last two. */
  get fps(): number {
    return (this.total('frames') * 1000) / WINDOW_MS;
  }

  /** Bits in a second, over the last two. */
  get bitrate(): number {
    return (this.total('bytes') * 8 * 1000) / WINDOW_MS;
  }

  /** What happened since the last report; null: nothing that is worth one. */
  report(): Report | null {
    const { told } = this;
    const latency = this.latencies.take().map(round);
    const input = this.inputs.take().map(round);
    const report: Report = {
      type: 'report',
      ...(this.firstPicture !== null && !told.firstPicture
        ? { first_picture_ms: round(this.firstPicture) }
        : {}),
      ...(latency.length > 0 ? { latency_ms: latency } : {}),
      ...(input.length > 0 ? { input_ms: input } : {}),
      ...positive('freezes', this.freezes - told.freezes),
      ...positive('freeze_ms', round(this.freezeMs - told.freezeMs)),
      ...positive('switches', this.switches - told.switches),
      ...positive('dropped', this.dropped - told.dropped),
    };
    const { dropped, freezes, freezeMs, switches } = this;
    this.told = { dropped, freezes, freezeMs, switches, firstPicture: this.firstPicture !== null };
    if (Object.keys(report).length === 1) {
      return null;
    }
    return this.roundTrip === null ? report : { ...report, round_trip_ms: round(this.roundTrip) };
  }

  private note(frames: number, bytes: number): void {
    this.recent.push({ at: this.now(), frames, bytes });
    this.prune();
  }

  private total(what: 'frames' | 'bytes'): number {
    this.prune();
    return this.recent.reduce((sum, entry) => sum + entry[what], 0);
  }

  private prune(): void {
    const oldest = this.now() - WINDOW_MS;
    const keep = this.recent.findIndex(entry => entry.at > oldest);
    this.recent = keep === -1 ? [] : keep === 0 ? this.recent : this.recent.slice(keep);
  }
}

/** Median and 95th percentile (nearest rank), null of nothing. */
export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) {
    return null;
  }
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (share: number) => sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)] ?? 0;
  return { p50: rank(0.5), p95: rank(0.95), n: sorted.length };
}

/** At most `most` of `values`, evenly taken, the largest among them: it is the one that somebody felt. */
export function thin(values: readonly number[], most: number): number[] {
  if (values.length <= most) {
    return [...values];
  }
  const step = values.length / most;
  return Array.from({ length: most }, (_, i) =>
    Math.max(...values.slice(Math.floor(i * step), Math.floor((i + 1) * step))),
  );
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function positive<K extends string>(key: K, value: number): Partial<Record<K, number>> {
  return value > 0 ? ({ [key]: value } as Record<K, number>) : {};
}
