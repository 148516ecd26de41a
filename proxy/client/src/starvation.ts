/**
 * Notices that frames are sent and none is seen. Pure. The streamer counts what it sends and says so in each pong;
 * a static desktop sends nothing, and that is no starvation.
 */

export class Starvation {
  private sent = 0;
  private lastFrameAt = 0;
  private lastPongAt = 0;
  /** The streamer was sending in the time before the last answer as well. */
  private flowing = false;
  /** Since when frames have been on their way and none has come. */
  private since: number | null = null;

  /** A transport's picture is on screen from `now` on. */
  shown(now: number): void {
    this.lastFrameAt = now;
    this.since = null;
  }

  /** A frame was seen; returns for how long none had been, in milliseconds, if it was waited for. */
  frame(now: number): number {
    const silent = this.silence(now);
    this.shown(now);
    return silent;
  }

  /** The streamer counts `sent` frames for this viewer on this connection. */
  pong(now: number, sent: number): void {
    const grew = sent > this.sent;
    // A lone frame may have been sent just before this answer: only silence from then on counts. In a flow of them some
    // have been on their way since the answer before.
    if (grew && this.since === null && this.lastFrameAt < this.lastPongAt) {
      this.since = this.flowing ? this.lastPongAt : now;
    }
    this.flowing = grew;
    this.sent = sent;
    this.lastPongAt = now;
  }

  /** A new connection counts anew. */
  reset(now: number): void {
    this.sent = 0;
    this.flowing = false;
    this.lastPongAt = now;
    this.shown(now);
  }

  silence(now: number): number {
    return this.since === null ? 0 : now - this.since;
  }
}
