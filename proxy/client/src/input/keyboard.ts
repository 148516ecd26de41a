/**
 * Keyboard events of the input surface -> `key` messages. Keeps what is held, so that each key is lifted with the
 * keysym that it was pressed with, and everything is lifted when the page loses the keyboard.
 * Knows the clipboard only as "somebody who may want to act before a paste chord".
 */

import type { Send } from '../protocol';
import { keysymOf, keysymsOfText } from './keysyms';

export interface KeyboardOptions {
  send: Send;
  mac: boolean;
  windows: boolean;
  /** A key went out: for the input latency. */
  onInput: () => void;
  /** Ctrl+Alt+Shift: the way out of the desktop for those who use no mouse. */
  onEscapeChord: () => void;
  /** Whether Ctrl+V waits for the browser's `paste` event, so that the text is there before the key. */
  holdsPaste: () => boolean;
}

const CONTROL_L = 0xffe3;
const CONTROL_R = 0xffe4;
const ALT_L = 0xffe9;
const BACKSPACE = 0xff08;
/** Windows reports AltGr as Control and AltRight at the same instant. */
const ALTGR_MS = 50;

export class Keyboard {
  /** Physical key -> keysym that it was pressed with. */
  private readonly held = new Map<string, number>();
  private waitingPaste: { code: string; keysym: number } | null = null;
  /** A Control press that may turn out to be the first half of AltGr. */
  private pendingControl: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly options: KeyboardOptions) {}

  attach(target: HTMLTextAreaElement): void {
    target.addEventListener('keydown', event => this.keydown(event));
    target.addEventListener('keyup', event => this.keyup(event));
    target.addEventListener('blur', () => this.releaseAll());
    target.addEventListener('compositionend', event => {
      this.type(event.data);
      target.value = '';
    });
    target.addEventListener('input', event => this.input(event, target));
  }

  /** Lift everything: the page lost the keyboard, or the connection came back. */
  releaseAll(): void {
    this.dropPendingControl();
    this.waitingPaste = null;
    this.held.clear();
    this.options.send({ type: 'release_keys' });
  }

  /** Press and lift the keys that type `text`. */
  type(text: string): void {
    for (const keysym of keysymsOfText(text)) {
      this.tap(keysym);
    }
  }

  /** The browser's `paste` came (`proceed`: its text is on the way into the session): the held-back key follows. */
  pasteArrived(proceed: boolean): void {
    const waiting = this.waitingPaste;
    this.waitingPaste = null;
    if (waiting && proceed) {
      this.press(waiting.code, waiting.keysym);
    }
  }

  private keydown(event: KeyboardEvent): void {
    if (event.isComposing || event.key === 'Dead' || event.key === 'Process' || event.keyCode === 229) {
      // The browser or its input method is putting a character together; it comes as text.
      return;
    }
    if (event.ctrlKey && event.altKey && event.shiftKey && !event.getModifierState('AltGraph')) {
      event.preventDefault();
      this.releaseAll();
      this.options.onEscapeChord();
      return;
    }
    this.settlePendingControl(event);
    const keysym = this.keysym(event);
    if (keysym === null) {
      if (event.key !== 'Unidentified') {
        event.preventDefault();
      }
      return;
    }
    if (isPasteChord(event) && this.options.holdsPaste()) {
      this.waitingPaste = { code: event.code, keysym };
      return;
    }
    event.preventDefault();
    if (this.options.windows && event.code === 'ControlLeft' && !event.repeat && !this.held.has(event.code)) {
      this.pendingControl = setTimeout(() => this.flushPendingControl(), ALTGR_MS);
      return;
    }
    this.pressWithMacRules(event, keysym);
  }

  private keyup(event: KeyboardEvent): void {
    event.preventDefault();
    if (event.code === 'ControlLeft') {
      this.flushPendingControl();
    }
    if (this.waitingPaste?.code === event.code) {
      // No paste came, so there was nothing to bring along: an ordinary key after all.
      this.pasteArrived(true);
    }
    this.lift(event.code || event.key);
    if (this.options.mac && event.key === 'Meta') {
      // macOS reports no keyup for keys that were let go while Command was held.
      for (const code of [...this.held.keys()]) {
        this.lift(code);
      }
    }
  }

  private input(event: InputEvent, target: HTMLTextAreaElement): void {
    if (event.isComposing || event.inputType === 'insertFromComposition') {
      return;
    }
    // Key presses are handled above and prevented; what still arrives here is an on-screen keyboard or a dead key.
    if (event.inputType === 'deleteContentBackward') {
      this.tap(BACKSPACE);
    } else if (event.inputType === 'insertLineBreak') {
      this.type('\n');
    } else if (event.data && event.inputType === 'insertText') {
      this.type(event.data);
    }
    target.value = '';
  }

  private keysym(event: KeyboardEvent): number | null {
    if (this.options.mac && event.key === 'Meta') {
      // Command is where a Mac's shortcuts are: Command+C has to copy.
      return event.location === 2 ? CONTROL_R : CONTROL_L;
    }
    return keysymOf(event);
  }

  private pressWithMacRules(event: KeyboardEvent, keysym: number): void {
    const code = event.code || event.key;
    // On a Mac, Option composes characters; with Alt held as well, the session would take them for shortcuts.
    const option = this.options.mac && event.altKey && keysym < 0xff00 ? this.heldAlt() : null;
    if (option !== null) {
      this.lift(option);
    }
    this.press(code, keysym);
    if (option !== null || (this.options.mac && event.metaKey && event.key !== 'Meta')) {
      this.lift(code);
    }
  }

  private heldAlt(): string | null {
    return [...this.held].find(([, keysym]) => keysym === ALT_L || keysym === ALT_L + 1)?.[0] ?? null;
  }

  private settlePendingControl(event: KeyboardEvent): void {
    if (this.pendingControl && (event.key === 'AltGraph' || event.code === 'AltRight')) {
      this.dropPendingControl();
    } else if (event.code !== 'ControlLeft') {
      this.flushPendingControl();
    }
  }

  private dropPendingControl(): void {
    if (this.pendingControl) {
      clearTimeout(this.pendingControl);
      this.pendingControl = null;
    }
  }

  private flushPendingControl(): void {
    if (this.pendingControl) {
      this.dropPendingControl();
      this.press('ControlLeft', CONTROL_L);
    }
  }

  private press(code: string, keysym: number): void {
    const before = this.held.get(code);
    if (before !== undefined && before !== keysym) {
      this.lift(code);
    }
    // A repeat is sent as another press: the X server repeats nothing by itself, so a slow line makes no extra keys.
    this.held.set(code, keysym);
    this.options.send({ type: 'key', keysym, down: true });
    this.options.onInput();
  }

  private lift(code: string): void {
    const keysym = this.held.get(code);
    if (keysym !== undefined) {
      this.held.delete(code);
      this.options.send({ type: 'key', keysym, down: false });
    }
  }

  private tap(keysym: number): void {
    this.options.send({ type: 'key', keysym, down: true });
    this.options.send({ type: 'key', keysym, down: false });
    this.options.onInput();
  }
}

/** Ctrl+V (Command+V), with Shift as terminals have it, and Shift+Insert. */
function isPasteChord(event: KeyboardEvent): boolean {
  if (event.altKey) {
    return false;
  }
  const v = event.key.toLowerCase() === 'v' && (event.ctrlKey || event.metaKey);
  return v || (event.key === 'Insert' && event.shiftKey && !event.ctrlKey);
}
