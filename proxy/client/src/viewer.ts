/** The page: connects socket, media, input and what is shown. Decisions are in the modules; here they meet. */

import { makeApi, type PageConfig, type PageEvents, type PageStatistics, type StreamspaceApi } from './api';
import { Sound } from './audio';
import { Controls } from './controls';
import { type Abilities, common, detect } from './detect';
import { Emitter } from './events';
import { cssCursor } from './input/cursor';
import { Resizer } from './input/resize';
import { Media, type Wishes } from './media';
import { Meter } from './meter';
import { Microphone } from './microphone';
import type { ErrorMessage, Hello, Send, ServerMessage, Status, Transport } from './protocol';
import { goHome, loadUnforced } from './navigation';
import { onNetworkChange } from './network';
import { Quality } from './quality';
import { Blockage, fallbackSentence, isTold } from './refusals';
import { pageStatistics, startReporting } from './reporting';
import { askWhy, socketUrl, stopSession, viewerAddresses } from './server';
import { ViewerSocket } from './socket';
import { strings } from './strings';
import { hasTracks } from './transports/sinks';
import { prepareWorker } from './transports/websocket';
import { el } from './ui/dom';
import { newSituation, type OverlayAction, type Situation } from './ui/overlay';
import { PageView } from './ui/page';

export class Viewer {
  private readonly events = new Emitter<PageEvents>();
  private readonly meter = new Meter();
  private readonly stage = el('div', { class: 'ss-stage' });
  private readonly sound = new Sound(() => this.page.toolbar.setSound(this.sound.state));
  private readonly socket: ViewerSocket;
  private readonly media: Media;
  private readonly controls: Controls;
  private readonly resizer: Resizer;
  private readonly page: PageView;
  private readonly quality: Quality;
  private readonly microphone: Microphone;
  private readonly situation: Situation;
  private able: Abilities | null = null;
  private hello: Hello | null = null;
  private mediaRunning = false;
  private readonly blockage = new Blockage();

  constructor(
    root: HTMLElement,
    private readonly config: PageConfig,
    private readonly wishes: Wishes,
  ) {
    this.situation = newSituation(config, location.host);
    this.socket = new ViewerSocket(viewerAddresses(config, wishes.forced === 'http'), {
      message: message => this.receive(message),
      media: packet => (packet.kind === 'video' ? this.media.push(packet) : this.sound.push(packet)),
      lost: (opened, left) => this.lost(opened, left),
    });
    const send = this.socket.send.bind(this.socket);
    this.media = new Media({
      stage: this.stage,
      meter: this.meter,
      send,
      sendBinary: data => this.socket.sendBinary(data),
      rfbUrl: socketUrl('rfb', config.view),
      ...wishes,
      wantsSound: () => this.sound.wanted,
    });
    this.controls = this.makeControls(send);
    this.resizer = new Resizer(this.stage, send, () => this.media.layout());
    this.microphone = new Microphone(
      data => this.socket.sendBinary(data),
      () => this.page.toolbar.setMicrophone(this.microphone.state),
    );
    this.page = this.makePage(root);
    this.quality = new Quality(send, this.page.quality);
    this.listenToMedia();
    this.listenToBrowser();
  }

  get api(): StreamspaceApi {
    return makeApi({
      transport: () => this.media.transport,
      role: () => this.hello?.role ?? null,
      connected: () => this.usable,
      stats: () => this.stats(),
      on: (event, fn) => this.events.on(event, fn),
    });
  }

  /** Pictures come and input arrives. */
  private get usable(): boolean {
    return this.situation.connected && this.situation.shown;
  }

  async start(): Promise<void> {
    this.page.refresh();
    this.socket.open();
    if (hasTracks()) {
      prepareWorker();
    }
    this.able = await detect();
    this.startMedia();
    startReporting(this.meter, message => this.socket.send(message));
  }

  /** Say `sentence` at the bottom of the page. */
  tell(sentence: string): void {
    this.page.toast.show(sentence);
  }

  private makeControls(send: Send): Controls {
    return new Controls({
      title: this.config.app.title,
      media: this.media,
      send,
      congested: () => this.socket.congested,
      onInput: () => {
        this.meter.input();
        this.socket.busy();
      },
      onGesture: () => this.sound.gesture(),
      onLeave: () => this.page.toolbar.focus(),
      onText: (text, copied) => this.clipboardChanged(text, copied),
      onTooLarge: (bytes, limit) => this.page.toast.show(strings.tooLarge(bytes, limit)),
    });
  }

  private makePage(root: HTMLElement): PageView {
    const stopUrl = window.parent === window ? this.config.hub?.stop_url : undefined;
    const { stage, controls, situation } = this;
    return new PageView(
      root,
      {
        title: situation.title,
        stage,
        controls,
        situation: () => ({ situation, transport: this.media.transport }),
        statistics: () => this.stats(),
      },
      {
        overlay: action => this.overlayAction(action),
        quality: preset => this.quality.choose(preset),
        sound: () => this.toggleSound(),
        microphone: () => this.microphone.toggle(),
        keepAwake: () => {
          this.socket.send({ type: 'keep_awake' });
          this.controls.focus();
        },
        stop: stopUrl ? () => void this.stop(stopUrl) : null,
      },
    );
  }

  private listenToMedia(): void {
    this.media.on('transport', () => {
      if (this.media.transport !== null) {
        this.pictureShown();
      }
      this.socket.watchClosely(this.media.transport === 'webrtc');
      // noVNC's picture has the pointer in it: the X server draws it for every client but the one that moves it.
      this.controls.surface.dataset.transport = this.media.transport ?? '';
      const fallback = fallbackSentence(this.media.transport, this.wishes.forced, this.plays('websocket'));
      if (fallback) {
        this.page.toast.show(fallback);
      }
      this.events.emit('transport', this.media.transport);
      this.page.refresh();
    });
    this.media.on('frame', frame => {
      this.socket.busy();
      this.events.emit('frame', frame);
    });
    this.media.on('sound', stream => this.sound.playStream(stream));
    this.media.on('soundEnded', () => this.sound.endStream());
    this.media.on('soundLevel', level => this.sound.heard(level));
    this.media.on('failure', ({ transport, reason }) =>
      this.events.emit('error', { code: 'transport_failed', message: `${transport}: ${reason}` }),
    );
    this.media.on('giveUp', reason => {
      const { forced } = this.wishes;
      const able = this.plays(forced ?? 'websocket');
      const advice = able || isSecureContext ? '' : strings.insecure;
      this.situation.giveUp = { reason, sentence: strings.giveUp(reason, forced, able) + advice };
      this.page.refresh();
    });
  }

  private listenToBrowser(): void {
    document.addEventListener('visibilitychange', () => {
      this.controls.release();
      this.media.hide(document.hidden);
    });
    onNetworkChange(() => this.media.networkChanged());
    addEventListener('pagehide', () => {
      this.controls.release();
      this.socket.close();
    });
    addEventListener('pageshow', event => {
      if (event.persisted) {
        this.lost(true, true);
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
        this.page.toolbar.setViewers(message.count);
        break;
      case 'pong':
        this.meter.roundTrip = performance.now() - message.t;
        break;
      case 'sleep_warning':
        this.page.warning.show(message);
        break;
      case 'announcement':
        this.page.announcement.show(message.text);
        break;
      case 'quality':
        this.quality.changed(message.preset);
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
    if (message.type === 'screen') {
      this.events.emit('screen', { width: message.width, height: message.height });
    }
  }

  private connected(hello: Hello): void {
    this.hello = hello;
    this.blockage.opened();
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
    this.microphone.allow(mayControl && policy.microphone === true);
    this.quality.greeted(hello);
    this.page.warning.allow(mayControl);
    this.page.toolbar.setRole(strings.role(hello.role), mayControl);
    if (hello.screen) {
      this.media.setScreen(hello.screen);
    }
    if (document.hidden) {
      this.socket.send({ type: 'visibility', hidden: true });
    }
    this.page.refresh();
  }

  private statusChanged(status: Status): void {
    this.situation.status = status;
    if (status.state === 'running') {
      this.startMedia();
    } else {
      this.stopMedia();
    }
    this.events.emit('status', status);
    this.page.refresh();
  }

  private pictureShown(): void {
    this.resizer.ask();
    this.situation.giveUp = null;
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

  private stopMedia(left = false): void {
    if (this.mediaRunning) {
      const was = this.usable;
      this.mediaRunning = false;
      this.situation.shown = false;
      this.media.disconnect(left);
      if (was) {
        this.events.emit('disconnected', undefined);
      }
    }
  }

  private lost(opened: boolean, left: boolean): void {
    if (this.situation.connected) {
      this.controls.release();
      this.resizer.allow(null);
    }
    this.stopMedia(left);
    Object.assign(this.situation, { connected: false, status: null });
    this.page.warning.show(null);
    this.page.refresh();
    if (!opened) {
      void this.askWhy();
    }
  }

  private async askWhy(): Promise<void> {
    const reached = await askWhy();
    this.socket.setReachable(reached !== 'unreachable');
    if (!this.situation.connected) {
      const { refusal, poll } = this.blockage.notOpened(reached, this.wishes.forced);
      this.situation.refusal = refusal;
      if (poll) {
        this.socket.poll();
      }
      this.page.refresh();
    }
  }

  /** Whether streamer and browser share a codec on `transport`. */
  private plays(transport: Transport): boolean {
    return transport === 'rfb' || common(this.able?.[transport] ?? [], this.hello?.codecs).length > 0;
  }

  private refused(error: ErrorMessage): void {
    if (isTold(error, this.microphone.state === 'on')) {
      this.page.toast.show(error.message);
    }
    const { code, message, field } = error;
    this.events.emit('error', field === undefined ? { code, message } : { code, message, field });
  }

  private clipboardChanged(text: string, copied: boolean): void {
    this.page.clipboard.refresh();
    if (copied) {
      this.page.toast.hide();
    } else {
      this.page.toast.show(strings.clipboardWaiting);
    }
    this.events.emit('clipboard', text);
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
          goHome(this.config.hub.home_url);
        }
        break;
      case 'reload':
        location.reload();
        break;
      case 'choose':
        loadUnforced();
        break;
    }
  }

  private async stop(url: string): Promise<void> {
    const sure = confirm(strings.stopQuestion(this.config.app.title));
    if (sure && !(await stopSession(url, this.config.xsrf ?? ''))) {
      this.page.toast.show(strings.stopRefused);
    }
  }

  private stats(): PageStatistics {
    return pageStatistics(this.meter, this.media, this.sound.level);
  }
}
