/** How the page stands, said in all places at once: over the picture, in the toolbar, and to the page around. */

import type { Transport } from '../protocol';
import { strings } from '../strings';
import { type Overlay, overlayFor, type Situation } from './overlay';
import type { Toolbar } from './toolbar';

/** A short interruption is over before anybody has read that there was one. */
const GRACE_MS = 700;
/** So long a page that has just been opened says nothing either: drawing words would hold the picture up. */
const FIRST_MS = 300;

export class Notice {
  private graceTimer = 0;
  /** Until when an interruption is not mentioned; 0: there is none. */
  private calmUntil = 0;
  private told = '';

  constructor(
    private readonly root: HTMLElement,
    private readonly overlay: Overlay,
    private readonly toolbar: Toolbar,
    private readonly look: () => { situation: Situation; transport: Transport | null },
  ) {}

  refresh(): void {
    const { situation, transport } = this.look();
    const content = overlayFor(situation);
    window.clearTimeout(this.graceTimer);
    if (content.busy && this.root.dataset['state'] === 'connected') {
      if (this.calmUntil === 0) {
        this.calmUntil = performance.now() + GRACE_MS;
      }
      const left = this.calmUntil - performance.now();
      if (left > 0) {
        this.graceTimer = window.setTimeout(() => this.refresh(), left);
        return;
      }
    }
    this.calmUntil = 0;
    const wait = FIRST_MS - performance.now();
    if (content.busy && wait > 0) {
      this.graceTimer = window.setTimeout(() => this.refresh(), wait);
    } else {
      this.overlay.show(content);
    }
    const name = transport ? ` · ${strings.transport(transport)}` : '';
    const calm = content.state === 'connected';
    const health = calm ? 'good' : content.busy ? 'waiting' : 'bad';
    this.toolbar.setState(health, calm ? strings.connected + name : (content.title ?? ''));
    if (calm && this.told === '') {
      this.toolbar.greet();
    }
    this.root.dataset['state'] = content.state;
    this.announce(content.state, transport);
  }

  /** Tell the JupyterLab tab around this page. */
  private announce(state: string, transport: Transport | null): void {
    const key = `${state} ${transport}`;
    if (key !== this.told) {
      this.told = key;
      if (window.parent !== window) {
        window.parent.postMessage({ type: 'streamspace:status', state, transport }, location.origin);
      }
    }
  }
}
