/**
 * The bar at the top edge: a small handle that opens on hover, tap or focus, and closes by itself. Shows what it is
 * told; knows nothing of transports or sockets.
 */

import type { SoundState } from '../audio';
import type { MicrophoneState } from '../microphone';
import { strings } from '../strings';
import { el, icon, iconButton, relabel } from './dom';

export interface ToolbarActions {
  fullscreen: () => void;
  clipboard: () => void;
  pointerLock: () => void;
  keyboard: () => void;
  sound: () => void;
  microphone: () => void;
  statistics: () => void;
  /** Null: not from this page. */
  stop: (() => void) | null;
}

/** How the connection is: the colour of the dot. */
export type Health = 'good' | 'waiting' | 'bad';

const HIDE_MS = 2500;
const GREETING_MS = 4000;

export class Toolbar {
  readonly element: HTMLElement;
  private readonly handle: HTMLButtonElement;
  private readonly bar: HTMLElement;
  private readonly state = el('span', { class: 'ss-state', role: 'status' });
  private readonly role = el('span', { class: 'ss-badge', hidden: true });
  private readonly viewersText = el('span');
  private readonly viewers = el('span', { class: 'ss-viewers', hidden: true });
  private readonly soundButton: HTMLButtonElement;
  private readonly microphoneButton: HTMLButtonElement;
  private readonly fullscreenButton: HTMLButtonElement;
  private readonly controls: HTMLButtonElement[];
  private hideTimer = 0;

  constructor(title: string, actions: ToolbarActions, quality: HTMLElement, canFullscreen: boolean) {
    this.viewers.append(icon('viewers'), this.viewersText);
    this.soundButton = iconButton('sound', strings.soundOn, actions.sound);
    this.microphoneButton = iconButton('microphone', '', actions.microphone);
    this.fullscreenButton = iconButton('fullscreen', strings.fullscreen, actions.fullscreen);
    this.fullscreenButton.hidden = !canFullscreen;
    const keyboard = iconButton('keyboard', strings.keyboard, actions.keyboard);
    keyboard.classList.add('ss-touch-only');
    const pointer = iconButton('pointer', strings.pointerLock, actions.pointerLock);
    pointer.classList.add('ss-mouse-only');
    const clipboard = iconButton('clipboard', strings.clipboard, actions.clipboard);
    this.controls = [keyboard, pointer, clipboard];
    this.bar = el(
      'div',
      { class: 'ss-bar', role: 'toolbar', 'aria-label': strings.toolbar },
      el('span', { class: 'ss-dot' }),
      el('span', { class: 'ss-title' }, title),
      this.state,
      this.role,
      this.viewers,
      el('span', { class: 'ss-gap' }),
      ...this.controls,
      this.soundButton,
      this.microphoneButton,
      quality,
      iconButton('statistics', strings.statistics, actions.statistics),
      this.fullscreenButton,
      actions.stop ? iconButton('stop', strings.stop, actions.stop) : '',
    );
    const label = { type: 'button', class: 'ss-handle', 'aria-label': strings.showToolbar };
    this.handle = el('button', label, el('span', { class: 'ss-grip' }));
    this.element = el('div', { class: 'ss-toolbar' }, this.handle, this.bar);
    this.listen();
  }

  /** Open for a moment, so that newcomers see that it is there. */
  greet(): void {
    this.open(GREETING_MS);
  }

  focus(): void {
    this.open(0);
    this.bar.querySelector<HTMLButtonElement>('button:not([hidden])')?.focus();
  }

  setState(health: Health, text: string): void {
    this.element.dataset['health'] = health;
    this.state.textContent = text;
  }

  setRole(text: string, controls: boolean): void {
    this.role.textContent = text;
    this.role.hidden = text === '';
    for (const button of this.controls) {
      button.hidden = !controls;
    }
  }

  setViewers(count: number): void {
    this.viewers.hidden = count < 2;
    this.viewersText.textContent = String(count);
    this.viewers.title = strings.viewers(count);
  }

  setSound(state: SoundState): void {
    this.soundButton.hidden = state === 'off';
    const label = { off: '', on: strings.soundOn, muted: strings.soundMuted, waiting: strings.soundWaiting }[
      state
    ];
    relabel(this.soundButton, state === 'on' ? 'sound' : 'muted', label);
    this.soundButton.classList.toggle('ss-attention', state === 'waiting');
  }

  setMicrophone(state: MicrophoneState): void {
    this.microphoneButton.hidden = state === 'absent';
    relabel(this.microphoneButton, 'microphone', strings.microphone(state));
    this.microphoneButton.setAttribute('aria-pressed', String(state === 'on'));
    // Whoever is listened to sees it with the bar closed, too.
    this.element.classList.toggle('ss-recording', state === 'on');
  }

  setFullscreen(on: boolean): void {
    relabel(this.fullscreenButton, 'fullscreen', on ? strings.leaveFullscreen : strings.fullscreen);
  }

  private listen(): void {
    this.element.addEventListener('pointerenter', event => {
      // A button held down is a drag in the session that came too near the edge.
      if (event.buttons === 0) {
        this.open(0);
      }
    });
    this.element.addEventListener('pointerleave', () => this.close(HIDE_MS));
    this.element.addEventListener('focusin', () => this.open(0));
    this.element.addEventListener('focusout', () => this.close(HIDE_MS));
    this.handle.addEventListener('click', () => this.open(GREETING_MS));
  }

  /** Open; and close after `ms`, unless 0. */
  private open(ms: number): void {
    window.clearTimeout(this.hideTimer);
    this.element.classList.add('ss-open');
    if (ms > 0) {
      this.close(ms);
    }
  }

  private close(ms: number): void {
    window.clearTimeout(this.hideTimer);
    this.hideTimer = window.setTimeout(() => {
      if (!this.element.matches(':hover') && !this.element.querySelector(':focus-visible')) {
        this.element.classList.remove('ss-open');
      }
    }, ms);
  }
}
