/**
 * When to acknowledge which frame, the one thing that a streamer paces itself by. Pure. A frame is acknowledged as it
 * comes while the decoder is quick; once frames wait in it, not before one is out: no queue may build up.
 */

/** With more frames than this in the decoder, an acknowledgement waits. */
const SHALLOW_QUEUE = 1;

export class Acknowledger {
  private readonly decoding = new Set<number>();
  private newest = 0;
  private owed = false;

  constructor(private readonly acknowledge: (id: number, queue: number) => void) {}

  /** Frame `id` came, and went into the decoder if `decoded`. */
  arrived(id: number, decoded: boolean): void {
    this.newest = id;
    if (decoded) {
      this.decoding.add(id);
    }
    if (this.decoding.size <= SHALLOW_QUEUE) {
      this.send();
    } else {
      this.owed = true;
    }
  }

  /** Frame `id` is out of the decoder, and so are all before it. */
  decoded(id: number): void {
    for (const waiting of this.decoding) {
      if (waiting <= id) {
        this.decoding.delete(waiting);
      }
    }
    if (this.owed) {
      this.send();
    }
  }

  /** The decoder was emptied; what was owed is paid, or the streamer would wait for ever. */
  emptied(): void {
    this.decoding.clear();
    if (this.owed) {
      this.send();
    }
  }

  private send(): void {
    this.owed = false;
    this.acknowledge(this.newest, this.decoding.size);
  }
}
