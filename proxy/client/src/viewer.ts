/** The page: connects socket, media, input and what is shown. Decisions are in the modules; here they meet. */

import type { PageConfig, PageEvents, PageStatistics, StreamspaceApi } from './api';
import { Sound } from './audio';
import { Controls } from './controls';
import { ableTransports } from './detect';
import { Emitter } from './events';
import { cssCursor } from './input/cursor';
import { fullscreenAvailable, isFullscreen, toggleFullscreen } from './input/fullscreen';
import { Resizer } from './input/resize';
import { Media } from './media';
import { Meter } from './meter';
import type { ErrorMessage, Hello, ServerMessage, Status, Transport } from './protocol';
import { askRefusal, socketUrl, stopSession } from './server';
import { ViewerSocket } from './socket';
import { strings } from './strings';
import { ClipboardPanel } from './ui/clipboard_panel';
import { el } from './ui/dom';
import { Overlay, overlayFor, type OverlayAction, type Situation } from './ui/overlay';
import { Statistics } from './ui/statistics';
import { Toast } from './ui/toast';
import { Toolbar } from './ui/toolbar';

/** A short interruption is over before anybody has read that there was one. */
const GRACE_MS = 700;
/** Refusals that the user can do something about. */
const TOLD: readonly string[] = ['too_large', 'forbidden', 'too_many_viewers'];

export class Viewer {
  private readonly events = new Emitter<PageEvents>();
  private readonly meter = new Meter();
  private readonly stage = el('div', { class: 'ss-stage' });
  private readonly toast = new Toast();
  private readonly overlay = new Overlay(action => this.overlayAction(action));
  private readonly sound = new Sound(() => this.toolbar.setSound(this.sound.state));
  private readonly socket: ViewerSocket;
  private readonly media: Media;
  private readonly controls: Controls;
  private readonly resizer: Resizer;
  private readonly toolbar: Toolbar;
  private readonly clipboardPanel: ClipboardPanel;
  private readonly statistics = new Statistics(() => ({ ...this.stats(), bitrate: this.meter.bitrate }));
  private readonly situation: Situation;
  private able: Transport[] | null = null;
  private hello: Hello | null = null;
  private mediaRunning = false;
  private graceTimer = 0;
  /** Until when an interruption is not mentioned; 0: there is none. */
  private calmUntil = 0;
  private told = '';

  constructor(
    private readonly root: HTMLElement,
    private readonly config: PageConfig,
    private readonly forced: Transport | null,
  ) {
    const { title } = config.app;
    this.situation = {
      title,
      connected: false,
      wasShown: false,
      refusal: null,
      bye: null,
      status: null,
      shown: false,
      giveUp: null,
      mayControl: !config.view,
      hasHome: Boolean(config.hub),
    };
    this.socket = new ViewerSocket(socketUrl('ws', config.view), {
      message: message => this.receive(message),
      media: packet => (packet.kind === 'video' ? this.media.push(packet) : this.sound.push(packet)),
      lost: opened => this.lost(opened),
    });
    const send = this.socket.send.bind(this.socket);
    this.media = new Media({
      stage: this.stage,
      meter: this.meter,
      send,
      sendBinary: data => this.socket.sendBinary(data),
      rfbUrl: socketUrl('rfb', config.view),
      forced,
      wantsSound: () => this.sound.wanted,
    });
    this.controls = new Controls({
      title,
      media: this.media,
      send,
      congested: () => this.socket.congested,
      onInput: () => this.meter.input(),
      onGesture: () => this.sound.gesture(),
      onLeave: () => this.toolbar.focus(),
      onText: (text, copied) => this.clipboardChanged(text, copied),
      onTooLarge: (bytes, limit) => this.toast.show(strings.tooLarge(bytes, limit)),
    });
    this.resizer = new Resizer(this.stage, send, () => this.media.layout());
    this.clipboardPanel = new ClipboardPanel(this.controls.clipboard, () => this.controls.focus());
    this.toolbar = this.makeToolbar();
    this.build();
    this.listen();
  }

  get api(): StreamspaceApi {
    const transport = () => this.media.transport;
    const role = () => this.hello?.role ?? null;
    const connected = () => this.usable;
    return {
      get transport() {
        return transport();
      },
      get role() {
        return role();
      },
      get connected() {
        return connected();
      },
      stats: () => this.stats(),
      on: (event, fn) => this.events.on(event, fn),
    };
  }

  /** Pictures come and input arrives. */
  private get usable(): boolean {
    return this.situation.connected && this.situation.shown;
  }

  async start(): Promise<void> {
    this.refresh();
    this.socket.open();
    this.able = await ableTransports();
    this.startMedia();
  }

  /** Say `sentence` at the bottom of the page. */
  tell(sentence: string): void {
    this.toast.show(sentence);
  }

  private makeToolbar(): Toolbar {
    const stopUrl = window.parent === window ? this.config.hub?.stop_url : undefined;
    return new Toolbar(
      this.config.app.title,
      {
        // Refused, for example without a click: then the page stays as it is.
        fullscreen: () => void toggleFullscreen(this.root).catch(() => undefined),
        clipboard: () => this.clipboardPanel.toggle(),
        pointerLock: () => void this.controls.lockPointer(),
        keyboard: () => this.controls.toggleKeyboard(),
        sound: () => this.toggleSound(),
        statistics: () => this.statistics.toggle(),
        stop: stopUrl ? () => void this.stop(stopUrl) : null,
      },
      fullscreenAvailable(),
    );
  }

  private build(): void {
    this.stage.append(this.controls.surface);
    this.root.append(
      this.stage,
      this.statistics.element,
      this.overlay.element,
      this.clipboardPanel.element,
      this.toast.element,
      this.toolbar.element,
    );
  }

  private listen(): void {
    this.media.on('transport', () => {
      if (this.media.transport !== null) {
        this.pictureShown();
      }
      // noVNC's picture has the pointer in it: the X server draws it for every client but the one that moves it.
      this.controls.surface.dataset.transport = this.media.transport ?? '';
      this.announceFallback();
      this.events.emit('transport', this.media.transport);
      this.refresh();
    });
    this.media.on('frame', frame => this.events.emit('frame', frame));
    this.media.on('sound', stream => this.sound.playStream(stream));
    this.media.on('soundEnded', () => this.sound.endStream());
    this.media.on('soundLevel', level => this.sound.heard(level));
    this.media.on('failure', ({ transport, reason }) =>
      this.events.emit('error', { code: 'transport_failed', message: `${transport}: ${reason}` }),
    );
    this.media.on('giveUp', reason => {
      const h264 = this.able?.includes('websocket') ?? false;
      const advice = h264 || isSecureContext ? '' : strings.insecure;
      this.situation.giveUp = { reason, sentence: strings.giveUp(reason, this.forced, h264) + advice };
      this.refresh();
    });
    document.addEventListener('visibilitychange', () => {
      this.controls.release();
      this.socket.send({ type: 'visibility', hidden: document.hidden });
    });
    document.addEventListener('fullscreenchange', () => {
      this.toolbar.setFullscreen(isFullscreen());
      this.controls.focus();
    });
    addEventListener('pagehide', () => {
      this.controls.release();
      this.socket.close();
    });
    addEventListener('pageshow', event => {
      if (event.persisted) {
        this.lost(true);
        this.socket.open();
      }
    });
  }

  private receive(message: ServerMessage): void {
    switch (message.type) {
      case 'hello':
        this.connected(message);
        break;
      case 'status':
        this.statusChanged(message);
        break;
      case 'cursor':
        this.controls.surface.style.cursor = cssCursor(message, Math.min(devicePixelRatio, 2));
        break;
      case 'clipboard':
        void this.controls.clipboard.receive(message.text);
        break;
      case 'viewers':
        this.toolbar.setViewers(message.count);
        break;
      case 'pong':
        this.meter.roundTrip = performance.now() - message.t;
        break;
      case 'error':
        this.refused(message);
        break;
      case 'bye':
        this.situation.bye = message.message;
        break;
      default:
        break;
    }
    this.media.handle(message);
    if (message.type === 'screen' || message.type === 'video') {
      this.events.emit('screen', { width: message.width, height: message.height });
    }
  }

  private connected(hello: Hello): void {
    this.hello = hello;
    const mayControl = hello.role !== 'viewer';
    const { policy } = hello;
    Object.assign(this.situation, {
      connected: true,
      wasConnected: true,
      refusal: null,
      bye: null,
      mayControl,
    });
    this.controls.surface.hidden = !mayControl;
    this.controls.clipboard.allow(mayControl ? policy.clipboard : 'none', policy.clipboard_limit);
    this.resizer.allow(mayControl ? { width: policy.max_width, height: policy.max_height } : null);
    this.sound.allow(policy.audio);
    this.toolbar.setRole(strings.role(hello.role), mayControl);
    if (hello.screen) {
      this.media.setScreen(hello.screen);
    }
    if (document.hidden) {
      this.socket.send({ type: 'visibility', hidden: true });
    }
    this.refresh();
  }

  private statusChanged(status: Status): void {
    this.situation.status = status;
    if (status.state === 'running') {
      this.startMedia();
    } else {
      this.stopMedia();
    }
    this.events.emit('status', status);
    this.refresh();
  }

  private pictureShown(): void {
    this.resizer.ask();
    if (!this.situation.shown && this.hello) {
      Object.assign(this.situation, { shown: true, wasShown: true });
      this.events.emit('connected', { role: this.hello.role });
    }
  }

  /** When all three are there: a connection, a running desktop, and what this browser is able to. */
  private startMedia(): void {
    const { connected, status } = this.situation;
    if (!this.mediaRunning && connected && this.hello && this.able && status?.state === 'running') {
      this.mediaRunning = true;
      this.situation.giveUp = null;
      this.media.connect(this.hello, this.able);
    }
  }

  private stopMedia(): void {
    if (this.mediaRunning) {
      const was = this.usable;
      this.mediaRunning = false;
      this.situation.shown = false;
      this.media.disconnect();
      if (was) {
        this.events.emit('disconnected', undefined);
      }
    }
  }

  private lost(opened: boolean): void {
    if (this.situation.connected) {
      this.controls.release();
      this.resizer.allow(null);
    }
    this.stopMedia();
    Object.assign(this.situation, { connected: false, status: null });
    this.refresh();
    if (!opened) {
      void this.askWhy();
    }
  }

  private async askWhy(): Promise<void> {
    const refusal = await askRefusal();
    if (!this.situation.connected) {
      this.situation.refusal = refusal;
      this.refresh();
    }
  }

  private refused(error: ErrorMessage): void {
    if (TOLD.includes(error.code) && error.field !== 'width' && error.field !== 'height') {
      this.toast.show(error.message);
    }
    const { code, message, field } = error;
    this.events.emit('error', field === undefined ? { code, message } : { code, message, field });
  }

  private clipboardChanged(text: string, copied: boolean): void {
    this.clipboardPanel.refresh();
    if (copied) {
      this.toast.hide();
    } else {
      this.toast.show(strings.clipboardWaiting);
    }
    this.events.emit('clipboard', text);
  }

  private announceFallback(): void {
    if (this.media.transport === 'rfb' && this.forced === null && !this.able?.includes('websocket')) {
      this.toast.show(strings.slowFallback);
    }
  }

  private toggleSound(): void {
    if (this.sound.state === 'waiting') {
      this.sound.gesture();
    } else {
      this.sound.toggle();
      this.media.refreshSound();
    }
  }

  private overlayAction(action: OverlayAction): void {
    switch (action) {
      case 'restart':
        this.socket.send({ type: 'restart_app' });
        this.controls.focus();
        break;
      case 'home':
        if (this.config.hub) {
          // In a JupyterLab tab, the notebooks around it must stay.
          window.open(this.config.hub.home_url, window.parent === window ? '_self' : '_blank');
        }
        break;
      case 'reload':
        location.reload();
        break;
      case 'choose': {
        const url = new URL(location.href);
        url.searchParams.delete('transport');
        location.replace(url);
        break;
      }
    }
  }

  private async stop(url: string): Promise<void> {
    const sure = confirm(strings.stopQuestion(this.config.app.title));
    if (sure && !(await stopSession(url, this.config.xsrf ?? ''))) {
      this.toast.show(strings.stopRefused);
    }
  }

  private refresh(): void {
    const content = overlayFor(this.situation);
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
    this.overlay.show(content);
    const { transport } = this.media;
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

  private stats(): PageStatistics {
    const { frames, fps, bytes, inputLatency: latency, roundTrip } = this.meter;
    return {
      frames,
      fps,
      bytes,
      latency,
      roundTrip,
      transport: this.media.transport,
      screen: this.media.screen,
      audio: this.sound.level,
    };
  }
}
