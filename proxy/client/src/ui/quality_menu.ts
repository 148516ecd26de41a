/** The button for the quality of the picture, and the short list that it opens. */

import type { Preset } from '../protocol';
import { strings } from '../strings';
import { el, iconButton } from './dom';

export class QualityMenu {
  /** Stands in the toolbar. */
  readonly button: HTMLButtonElement;
  readonly element = el('div', {
    class: 'ss-menu',
    role: 'menu',
    'aria-label': strings.quality,
    hidden: true,
  });
  private readonly items = new Map<Preset, HTMLButtonElement>();

  constructor(
    private readonly onChoose: (preset: Preset) => void,
    private readonly onClose: () => void,
  ) {
    this.button = iconButton('quality', strings.quality, () => this.toggle());
    this.button.setAttribute('aria-haspopup', 'menu');
    this.button.setAttribute('aria-expanded', 'false');
    this.button.hidden = true;
    this.element.addEventListener('keydown', event => this.key(event));
    document.addEventListener('pointerdown', event => {
      const inside = event.target instanceof Node && (this.owns(event.target) || this.isButton(event.target));
      if (!this.element.hidden && !inside) {
        this.hide();
      }
    });
  }

  /** What can be chosen; nothing: there is no choice, and no button. */
  offer(presets: readonly Preset[], chosen: Preset | null): void {
    this.button.hidden = presets.length === 0;
    this.items.clear();
    for (const preset of presets) {
      const { name, hint } = strings.preset(preset);
      const item = el(
        'button',
        { type: 'button', role: 'menuitemradio' },
        el('span', {}, name),
        el('small', {}, hint),
      );
      item.addEventListener('click', () => {
        this.onChoose(preset);
        this.hide();
        this.onClose();
      });
      this.items.set(preset, item);
    }
    this.element.replaceChildren(...this.items.values());
    this.select(chosen);
    if (this.button.hidden) {
      this.hide();
    }
  }

  select(chosen: Preset | null): void {
    for (const [preset, item] of this.items) {
      item.setAttribute('aria-checked', String(preset === chosen));
    }
  }

  private toggle(): void {
    if (!this.element.hidden) {
      this.hide();
      return;
    }
    this.element.hidden = false;
    this.button.setAttribute('aria-expanded', 'true');
    const items = [...this.items.values()];
    (items.find(item => item.getAttribute('aria-checked') === 'true') ?? items[0])?.focus();
  }

  private hide(): void {
    this.element.hidden = true;
    this.button.setAttribute('aria-expanded', 'false');
  }

  private key(event: KeyboardEvent): void {
    const items = [...this.items.values()];
    const at = items.findIndex(item => item === document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      items.at((at + step) % items.length)?.focus();
    } else if (event.key === 'Escape') {
      this.hide();
      this.button.focus();
    }
  }

  private owns(node: Node): boolean {
    return this.element.contains(node);
  }

  private isButton(node: Node): boolean {
    return this.button.contains(node);
  }
}
