/** The clipboard by hand, for browsers that refuse it to scripts, and to see what is in it. */

import type { Clipboard } from '../input/clipboard';
import { strings } from '../strings';
import { el, iconButton } from './dom';

export class ClipboardPanel {
  readonly element: HTMLElement;
  private readonly text = el('textarea', { class: 'ss-text', rows: '7', spellcheck: 'false' });
  private readonly hint = el('p', { id: 'ss-clipboard-hint' });
  private readonly note = el('p', { class: 'ss-note', role: 'status' });
  private readonly copyOut: HTMLButtonElement;
  private readonly readIn: HTMLButtonElement;
  private readonly sendIn: HTMLButtonElement;

  constructor(
    private readonly clipboard: Clipboard,
    private readonly onClose: () => void,
  ) {
    const button = (label: string, onClick: () => void) => {
      const made = el('button', { type: 'button', class: 'ss-secondary' }, label);
      made.addEventListener('click', onClick);
      return made;
    };
    this.copyOut = button(strings.copyOut, () => void this.copy());
    this.readIn = button(strings.readIn, () => void this.read());
    this.sendIn = button(strings.sendIn, () => this.sendText());
    this.sendIn.classList.add('ss-primary');
    this.text.setAttribute('aria-label', strings.clipboardTitle);
    this.text.setAttribute('aria-describedby', 'ss-clipboard-hint');
    this.element = el(
      'section',
      { class: 'ss-panel', role: 'dialog', 'aria-label': strings.clipboardTitle, hidden: true },
      el(
        'header',
        {},
        el('h2', {}, strings.clipboardTitle),
        iconButton('close', strings.close, () => this.hide()),
      ),
      this.hint,
      this.text,
      this.note,
      el('footer', {}, this.copyOut, this.readIn, this.sendIn),
    );
    this.element.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        this.hide();
      }
    });
  }

  toggle(): void {
    if (this.element.hidden) {
      this.show();
    } else {
      this.hide();
    }
  }

  refresh(): void {
    if (!this.element.hidden) {
      this.text.value = this.clipboard.text;
    }
  }

  private show(): void {
    const { mayEnter, mayLeave } = this.clipboard;
    this.element.hidden = false;
    this.note.textContent = '';
    this.hint.textContent = mayEnter
      ? mayLeave
        ? strings.clipboardHint
        : strings.clipboardIn
      : mayLeave
        ? strings.clipboardOut
        : strings.clipboardNone;
    this.text.hidden = !mayEnter && !mayLeave;
    this.text.readOnly = !mayEnter;
    this.copyOut.hidden = !mayLeave;
    this.readIn.hidden = this.sendIn.hidden = !mayEnter;
    this.refresh();
    this.text.focus();
    this.text.select();
  }

  private hide(): void {
    this.element.hidden = true;
    this.onClose();
  }

  private async copy(): Promise<void> {
    this.note.textContent = (await this.clipboard.writeOut()) ? strings.copied : strings.copyRefused;
  }

  private async read(): Promise<void> {
    const done = await this.clipboard.readIn();
    this.refresh();
    this.note.textContent = done ? strings.sent : strings.readRefused;
  }

  private sendText(): void {
    if (this.clipboard.sendText(this.text.value)) {
      this.note.textContent = strings.sent;
    }
  }
}
