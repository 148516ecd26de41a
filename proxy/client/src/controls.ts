/**
 * The input surface over the picture and everything that listens on it. One transparent text area, because browsers
 * give input methods, on-screen keyboards and `paste` events only to something that can be written in.
 */

import { toScreen } from './geometry';
import { Clipboard, type ClipboardOptions } from './input/clipboard';
import { Keyboard } from './input/keyboard';
import { Pointer } from './input/pointer';
import { TouchGestures } from './input/touch';
import type { Media } from './media';
import type { ClientMessage } from './protocol';
import { strings } from './strings';
import { el } from './ui/dom';

export interface ControlsOptions extends Omit<ClipboardOptions, 'send'> {
  title: string;
  media: Media;
  send: (message: ClientMessage) => void;
  congested: () => boolean;
  /** A key or button went out. */
  onInput: () => void;
  /** A click or key of the user's on the page: browsers allow sound and clipboard now. */
  onGesture: () => void;
  /** The user leaves the surface by keyboard. */
  onLeave: () => void;
}

export class Controls {
  readonly surface: HTMLTextAreaElement;
  readonly clipboard: Clipboard;
  private readonly keyboard: Keyboard;
  private readonly pointer: Pointer;

  constructor(private readonly options: ControlsOptions) {
    this.surface = el('textarea', {
      class: 'ss-surface',
      'aria-label': strings.desktopLabel(options.title),
      autocapitalize: 'off',
      autocomplete: 'off',
      autocorrect: 'off',
      inputmode: 'none',
      spellcheck: 'false',
    });
    const { send, onInput } = options;
    const locate = (x: number, y: number) => this.locate(x, y);
    const platform = navigator.platform;
    this.clipboard = new Clipboard(options);
    this.keyboard = new Keyboard({
      send,
      mac: /^(Mac|iP)/.test(platform),
      windows: platform.startsWith('Win'),
      onInput,
      onEscapeChord: options.onLeave,
      holdsPaste: () => this.clipboard.mayEnter,
    });
    this.pointer = new Pointer({
      send,
      locate,
      onInput,
      congested: options.congested,
      scale: () => (options.media.screen?.width ?? 1) / (options.media.placement.width || 1),
    });
    this.keyboard.attach(this.surface);
    this.pointer.attach(this.surface);
    new TouchGestures({ send, locate, onInput }).attach(this.surface);
    this.listen();
  }

  focus(): void {
    this.surface.focus({ preventScroll: true });
  }

  /** Nothing is held any more, on either side. */
  release(): void {
    this.keyboard.releaseAll();
    this.pointer.reset();
  }

  async lockPointer(): Promise<void> {
    this.focus();
    try {
      // Raw motion, without this computer's acceleration: the session adds its own.
      await this.surface.requestPointerLock({ unadjustedMovement: true });
    } catch {
      await Promise.resolve(this.surface.requestPointerLock()).catch(() => undefined);
    }
  }

  /** Show or hide the on-screen keyboard of a touch screen. */
  toggleKeyboard(): void {
    this.surface.inputMode = this.surface.inputMode === 'none' ? 'text' : 'none';
    this.surface.blur();
    this.focus();
  }

  private locate(clientX: number, clientY: number): { x: number; y: number } {
    const { media } = this.options;
    const box = this.surface.getBoundingClientRect();
    const screen = media.screen ?? { width: box.width, height: box.height };
    return toScreen(clientX - box.left, clientY - box.top, media.placement, screen);
  }

  private listen(): void {
    this.surface.addEventListener('blur', () => this.pointer.reset());
    this.surface.addEventListener('paste', event => this.paste(event));
    for (const type of ['pointerdown', 'keydown'] as const) {
      document.addEventListener(type, () => this.gesture(), { capture: true });
    }
    addEventListener('focus', () => {
      // The frame around (JupyterLab's tab) focuses the window; keys belong to the desktop then.
      if (document.activeElement === document.body) {
        this.focus();
      }
      void this.clipboard.focused();
    });
    this.surface.addEventListener('pointerenter', () => void this.clipboard.focused());
  }

  private gesture(): void {
    this.options.onGesture();
    void this.clipboard.gesture();
  }

  private paste(event: ClipboardEvent): void {
    event.preventDefault();
    const text = event.clipboardData?.getData('text/plain') ?? '';
    const proceed = !this.clipboard.mayEnter || text === '' || this.clipboard.sendText(text);
    this.keyboard.pasteArrived(proceed);
  }
}
