/** What is going to happen to the session, and when, with a way to keep it awake. */

import type { SleepWarningMessage } from '../protocol';
import { strings } from '../strings';
import { el } from './dom';

const TICK_MS = 1000;

export class SleepWarning {
  readonly element = el('div', { class: 'ss-warning', role: 'alert', hidden: true });
  private readonly words = el('span');
  private readonly button = el('button', { type: 'button', class: 'ss-primary' }, strings.keepAwake);
  private timer = 0;
  private mayControl = false;
  private message: SleepWarningMessage | null = null;

  constructor(
    private readonly title: string,
    onKeep: () => void,
  ) {
    this.button.addEventListener('click', onKeep);
    this.element.append(this.words, this.button);
  }

  /** Whether this page may keep the session awake. */
  allow(mayControl: boolean): void {
    this.mayControl = mayControl;
    this.refresh(0);
  }

  show(message: SleepWarningMessage | null): void {
    window.clearInterval(this.timer);
    this.message = message?.step ? message : null;
    const begun = performance.now();
    this.refresh(0);
    if (this.message) {
      this.timer = window.setInterval(() => this.refresh((performance.now() - begun) / 1000), TICK_MS);
    }
  }

  private refresh(passed: number): void {
    const { message } = this;
    this.element.hidden = message === null;
    if (message?.step) {
      const text = strings.sleepWarning(message.step, this.title, Math.max(0, message.seconds - passed));
      // Screen readers read an alert again whenever it is written.
      if (this.words.textContent !== text) {
        this.words.textContent = text;
      }
      this.button.hidden = !(message.keepable && this.mayControl);
    }
  }
}
