/** One sentence at the bottom, for a few seconds. */

import { el } from './dom';

const SHOWN_MS = 8000;

export class Toast {
  readonly element = el('div', { class: 'ss-toast', role: 'status', hidden: true });
  private timer = 0;

  show(sentence: string, ms: number = SHOWN_MS): void {
    this.element.textContent = sentence;
    this.element.hidden = false;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.hide(), ms);
  }

  hide(): void {
    this.element.hidden = true;
  }
}
