/** What is said over the picture: starting, reconnecting, ended, failed. `overlayFor` decides, `Overlay` draws. */

import type { PageConfig } from '../api';
import type { GiveUpReason } from '../ladder';
import type { Status } from '../protocol';
import { strings } from '../strings';
import { el } from './dom';

/** How the page stands; also told to the JupyterLab tab around it. */
export type PageState =
  'connecting' | 'starting' | 'connected' | 'frozen' | 'reconnecting' | 'ended' | 'stopped' | 'failed';

/** Why the viewer socket does not open, as far as HTTP could tell. */
export type Refusal = 'stopped' | 'forbidden' | 'no_websocket' | null;

export interface Situation {
  title: string;
  /** Where the page came from. */
  host: string;
  connected: boolean;
  /** There was a picture on this page before. */
  wasShown: boolean;
  refusal: Refusal;
  /** The streamer's last words, when it closed on purpose. */
  bye: string | null;
  status: Status | null;
  /** A picture came on this connection. */
  shown: boolean;
  giveUp: { reason: GiveUpReason; sentence: string } | null;
  mayControl: boolean;
  hasHome: boolean;
}

/** Of a page that has just been opened. */
export function newSituation({ app, hub, view }: PageConfig, host: string): Situation {
  return {
    title: app.title,
    host,
    connected: false,
    wasShown: false,
    refusal: null,
    bye: null,
    status: null,
    shown: false,
    giveUp: null,
    mayControl: !view,
    hasHome: hub !== null,
  };
}

export type OverlayAction = 'restart' | 'home' | 'reload' | 'choose';

export interface OverlayContent {
  state: PageState;
  /** Null: nothing lies over the picture. */
  title: string | null;
  detail?: string;
  busy?: boolean;
  /** Says something, and lets pointer and keys through. */
  passive?: boolean;
  action?: OverlayAction;
}

/** What to say in `situation`. */
export function overlayFor(situation: Situation): OverlayContent {
  return situation.connected ? whileConnected(situation) : whileApart(situation);
}

function whileApart({ refusal, hasHome, bye, wasShown, host }: Situation): OverlayContent {
  if (refusal === 'stopped') {
    const content = { state: 'stopped', title: strings.stopped, detail: strings.stoppedDetail } as const;
    return hasHome ? { ...content, action: 'home' } : content;
  }
  if (refusal === 'forbidden') {
    return { state: 'failed', title: strings.forbidden, detail: strings.forbiddenDetail, action: 'reload' };
  }
  if (refusal === 'no_websocket') {
    const content = { state: 'failed', title: strings.noWebSocket } as const;
    return { ...content, detail: strings.noWebSocketDetail(host), action: 'choose' };
  }
  if (bye !== null) {
    return { state: 'reconnecting', title: bye || strings.closed, busy: true };
  }
  return wasShown
    ? { state: 'reconnecting', title: strings.reconnecting, detail: strings.reconnectingDetail, busy: true }
    : { state: 'connecting', title: strings.connecting, busy: true };
}

function whileConnected({ title, status, giveUp, shown, wasShown, mayControl }: Situation): OverlayContent {
  if (status === null) {
    return { state: 'connecting', title: strings.connecting, busy: true };
  }
  switch (status.state) {
    case 'starting':
      return { state: 'starting', title: strings.starting(title), detail: status.message, busy: true };
    case 'failed':
      return { state: 'failed', title: strings.sessionFailed(title), detail: status.message };
    case 'stopping':
      return { state: 'stopped', title: strings.stopping, detail: status.message, busy: true };
    case 'running':
      break;
  }
  if (status.sleep === 'frozen') {
    // What wakes it is input: that has to pass.
    return { state: 'frozen', title: strings.frozen(title), detail: strings.frozenDetail, passive: true };
  }
  if (status.app.state === 'exited') {
    return appEnded(title, status, mayControl);
  }
  if (giveUp) {
    const content = { state: 'failed', title: strings.noPicture, detail: giveUp.sentence } as const;
    return { ...content, action: giveUp.reason === 'forced' ? 'choose' : 'reload' };
  }
  if (shown) {
    return status.app.state === 'starting'
      ? { state: 'starting', title: strings.starting(title), busy: true, passive: true }
      : { state: 'connected', title: null };
  }
  return wasShown
    ? { state: 'reconnecting', title: strings.reconnecting, detail: strings.reconnectingDetail, busy: true }
    : { state: 'starting', title: strings.starting(title), detail: strings.firstPicture, busy: true };
}

/** Exit codes with which shells, and our desktop, say that a program could not be run at all. */
const NEVER_RAN = [126, 127];

function appEnded(title: string, { app, message }: Status, mayControl: boolean): OverlayContent {
  const ran = !NEVER_RAN.includes(app.exit_code ?? 0);
  const how = ran ? strings.endedBy(app.exit_code, app.signal) : message;
  const content = {
    state: 'ended',
    title: ran ? strings.ended(title) : strings.sessionFailed(title),
  } as const;
  return mayControl
    ? { ...content, detail: how, action: 'restart' }
    : { ...content, detail: `${how} ${strings.endedViewer}`.trim() };
}

const LABELS: Record<OverlayAction, string> = {
  restart: strings.startAgain,
  home: strings.goHome,
  reload: strings.reload,
  choose: strings.choose,
};

export class Overlay {
  readonly element = el('div', { class: 'ss-overlay', 'aria-live': 'polite', hidden: true });
  private current = '';

  constructor(private readonly onAction: (action: OverlayAction) => void) {}

  show(content: OverlayContent): void {
    const key = JSON.stringify(content);
    if (key === this.current) {
      return;
    }
    this.current = key;
    this.element.hidden = content.title === null;
    this.element.dataset['state'] = content.state;
    this.element.classList.toggle('ss-passive', content.passive === true);
    if (content.title === null) {
      this.element.replaceChildren();
      return;
    }
    this.element.replaceChildren(
      el(
        'div',
        { class: 'ss-card' },
        content.busy ? el('div', { class: 'ss-spinner' }) : null,
        el('h1', {}, content.title),
        content.detail ? el('p', {}, content.detail) : null,
        content.action ? this.button(content.action) : null,
      ),
    );
  }

  private button(action: OverlayAction): HTMLButtonElement {
    const button = el('button', { type: 'button', class: 'ss-primary' }, LABELS[action]);
    button.addEventListener('click', () => {
      button.disabled = true;
      this.onAction(action);
    });
    return button;
  }
}
