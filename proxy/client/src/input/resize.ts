/** Asks for a framebuffer of the stage's size when the stage changes, once it has settled. */

import { wantedScreen } from '../geometry';
import type { Send, Size } from '../protocol';

const SETTLE_MS = 150;

export class Resizer {
  private timer = 0;
  private limit: Size | null = null;

  constructor(
    private readonly stage: HTMLElement,
    private readonly send: Send,
    /** Told at once at each change, for the picture's placement. */
    private readonly onChange: () => void,
  ) {
    new ResizeObserver(() => this.changed()).observe(stage);
  }

  /** From now on sizes are asked for, up to `limit`; null: not (view only, or not connected). */
  allow(limit: Size | null): void {
    this.limit = limit;
  }

  private changed(): void {
    this.onChange();
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.ask(), SETTLE_MS);
  }

  /** Ask now: the session is ready to be resized. */
  ask(): void {
    const stage = { width: this.stage.clientWidth, height: this.stage.clientHeight };
    // A tab in the background of JupyterLab has no size: keep the session's.
    if (this.limit && stage.width > 0 && stage.height > 0) {
      this.send({ type: 'resize', ...wantedScreen(stage, devicePixelRatio, this.limit) });
    }
  }
}
