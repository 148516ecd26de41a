/**
 * When each packet of sound is played: no later than the line's jitter makes necessary. Pure; times are seconds of the
 * sound clock.
 */

/** Sound that begins, or that ran dry, is held back by this much: enough for ordinary jitter. */
export const BUFFER_S = 0.06;
/** More than this in hand means that the page or the line stood still: what is old is skipped. */
export const MAX_AHEAD_S = 0.25;
/** What was in hand at every packet of this many was needed by none of them. */
const WINDOW = 25;
const SPARE_S = 0.03;

export class Playout {
  private next = -Infinity;
  private spare = Infinity;
  private seen = 0;

  /** When to play the next packet of `duration`; null: leave it out. `quiet`: nobody would hear that it is missing. */
  place(now: number, duration: number, quiet: boolean): number | null {
    if (this.next < now) {
      this.next = now + BUFFER_S;
      this.restart();
    }
    const ahead = this.next - now;
    this.spare = Math.min(this.spare, ahead);
    this.seen += 1;
    if (ahead > MAX_AHEAD_S || (quiet && ahead > BUFFER_S) || this.tooEarly()) {
      return null;
    }
    const at = this.next;
    this.next += duration;
    return at;
  }

  private tooEarly(): boolean {
    if (this.seen < WINDOW) {
      return false;
    }
    const early = this.spare > SPARE_S;
    this.restart();
    return early;
  }

  private restart(): void {
    this.spare = Infinity;
    this.seen = 0;
  }
}
