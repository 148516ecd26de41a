/** Counts what arrives: frames, bytes, and the time from an input to the next picture. Knows no transport. */

const WINDOW_MS = 2000;

export class Meter {
  frames = 0;
  bytes = 0;
  /** Milliseconds from the last key or button to the first picture after it; null before the first. */
  inputLatency: number | null = null;
  /** Milliseconds of the last ping on the viewer socket. */
  roundTrip: number | null = null;

  private recent: { at: number; frames: number; bytes: number }[] = [];
  private inputAt: number | null = null;

  constructor(private readonly now: () => number = () => performance.now()) {}

  frame(): void {
    this.frames += 1;
    this.note(1, 0);
    if (this.inputAt !== null) {
      this.inputLatency = this.now() - this.inputAt;
      this.inputAt = null;
    }
  }

  received(bytes: number): void {
    this.bytes += bytes;
    this.note(0, bytes);
  }

  /** A key or button went out. */
  input(): void {
    this.inputAt = this.now();
  }

  /** Frames in a second, over the last two. */
  get fps(): number {
    return (this.total('frames') * 1000) / WINDOW_MS;
  }

  /** Bits in a second, over the last two. */
  get bitrate(): number {
    return (this.total('bytes') * 8 * 1000) / WINDOW_MS;
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
