/** What the hub's administrators announce, until the user has read it. */

import { strings } from '../strings';
import { el } from './dom';

export class Announcement {
  readonly element = el('div', { class: 'ss-warning ss-announcement', role: 'status', hidden: true });
  private readonly words = el('span');
  private dismissed = '';

  constructor(onDismiss: () => void) {
    const button = el('button', { type: 'button' }, strings.dismiss);
    button.addEventListener('click', () => {
      this.dismissed = this.words.textContent ?? '';
      this.element.hidden = true;
      onDismiss();
    });
    this.element.append(this.words, button);
  }

  /** Empty text takes it away; what was dismissed does not come back with a new connection. */
  show(text: string): void {
    this.words.textContent = text;
    this.element.hidden = text === '' || text === this.dismissed;
  }
}
