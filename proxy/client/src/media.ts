/**
 * Carries out what the ladder decides: makes transports, stacks and places their pictures, notices starvation.
 * Knows nothing of input, and of the page only its stage.
 */

import { Emitter } from './events';
import { place, type Placement } from './geometry';
import {
  initialLadder,
  ladder,
  type GiveUpReason,
  type LadderAction,
  type LadderEvent,
  type LadderState,
} from './ladder';
import type { Meter } from './meter';
import type { Hello, MediaPacket, Send, ServerMessage, Size, Transport, VideoConfig } from './protocol';
import { RfbTransport } from './transports/rfb';
import type { PictureTransport, TransportEvents } from './transports/types';
import { WebRtcTransport } from './transports/webrtc';
import { WebSocketTransport } from './transports/websocket';

export interface MediaEvents {
  transport: Transport | null;
  frame: { transport: Transport };
  sound: MediaStream;
  soundEnded: undefined;
  soundLevel: number;
  giveUp: GiveUpReason;
  failure: { transport: Transport; reason: string };
}

export interface MediaOptions {
  stage: HTMLElement;
  meter: Meter;
  send: Send;
  sendBinary: (data: ArrayBuffer) => void;
  rfbUrl: string;
  forced: Transport | null;
  /** Whether sound should be sent. */
  wantsSound: () => boolean;
}

const REMEMBER_KEY = 'streamspace.transport';
/** A network that lets no WebRTC through is asked again after this. */
const AVOID_MS = 60 * 60 * 1000;
/** On top of the time between two pongs: a frame may be on its way. */
const STARVED_MS = 1000;

export class Media extends Emitter<MediaEvents> {
  private state: LadderState;
  private readonly transports = new Map<Transport, PictureTransport>();
  /** Transports that have shown a picture since they were started. */
  private readonly live = new Set<Transport>();
  private hello: Hello | null = null;
  private video: VideoConfig | null = null;
  private size: Size | null = null;
  private lastFrameAt = 0;
  private sentFrames = 0;
  private lastPongAt = 0;

  constructor(private readonly options: MediaOptions) {
    super();
    this.state = initialLadder(options.forced);
  }

  get transport(): Transport | null {
    return this.state.shown;
  }

  get screen(): Size | null {
    return this.size;
  }

  /** Where the picture is on the stage, in CSS pixels. */
  get placement(): Placement {
    const { clientWidth: width, clientHeight: height } = this.options.stage;
    return place({ width, height }, this.size ?? { width: 0, height: 0 }, devicePixelRatio);
  }

  /** The streamer is ready for this viewer. */
  connect(hello: Hello, able: readonly Transport[]): void {
    this.hello = hello;
    this.sentFrames = 0;
    this.apply({ type: 'connected', offered: hello.transports, able, avoidWebrtc: avoidsWebrtc() });
  }

  disconnect(): void {
    this.video = null;
    this.apply({ type: 'disconnected' });
  }

  /** Sound was turned on or off. */
  refreshSound(): void {
    if (this.state.shown) {
      this.options.send({ type: 'start', transport: this.state.shown, audio: this.options.wantsSound() });
    }
  }

  push(packet: MediaPacket): void {
    this.webSocket?.push(packet);
  }

  handle(message: ServerMessage): void {
    switch (message.type) {
      case 'video':
        this.video = message;
        this.webSocket?.configure(message);
        this.setScreen(message);
        break;
      case 'screen':
        this.setScreen(message);
        break;
      case 'rtc_answer':
        void this.webRtc?.answer(message.sdp);
        break;
      case 'pong':
        this.checkStarved(message.frames);
        break;
      case 'error':
        if (message.code === 'transport_failed' && this.state.running.includes('webrtc')) {
          this.fail('webrtc', message.message);
        }
        break;
      default:
        break;
    }
  }

  setScreen(size: Size): void {
    this.size = { width: size.width, height: size.height };
    this.layout();
  }

  /** Place the pictures after a change of stage or screen. */
  layout(): void {
    const placed = this.placement;
    for (const { element } of this.transports.values()) {
      for (const side of ['left', 'top', 'width', 'height'] as const) {
        element.style[side] = `${placed[side]}px`;
      }
    }
  }

  private get webSocket(): WebSocketTransport | null {
    return this.pick('websocket') as WebSocketTransport | null;
  }

  private get webRtc(): WebRtcTransport | null {
    return this.pick('webrtc') as WebRtcTransport | null;
  }

  private pick(name: Transport): PictureTransport | null {
    return this.state.running.includes(name) ? (this.transports.get(name) ?? null) : null;
  }

  private apply(event: LadderEvent): void {
    const before = this.state.shown;
    const step = ladder(this.state, event);
    this.state = step.state;
    for (const action of step.actions) {
      this.act(action);
    }
    if (this.state.shown !== before) {
      this.emit('transport', this.state.shown);
    }
  }

  private act(action: LadderAction): void {
    switch (action.type) {
      case 'start':
        this.startTransport(action.transport);
        break;
      case 'stop':
        this.stopTransport(action.transport);
        break;
      case 'show':
        this.show(action.transport);
        break;
      case 'remember':
        localStorage.setItem(REMEMBER_KEY, JSON.stringify({ transport: action.transport, at: Date.now() }));
        break;
      case 'give_up':
        this.emit('giveUp', action.reason);
        break;
    }
  }

  private startTransport(name: Transport): void {
    const transport = this.make(name);
    this.transports.get(name)?.element.remove();
    this.transports.set(name, transport);
    transport.element.classList.add('ss-picture');
    transport.element.dataset['transport'] = name;
    // Below what is shown: hidden elements present no frames, so the first one could never be noticed.
    this.options.stage.prepend(transport.element);
    this.layout();
    this.live.delete(name);
    if (name !== 'webrtc') {
      // WebRTC sends its own, after its offer.
      this.options.send({ type: 'start', transport: name, audio: this.options.wantsSound() });
    }
    transport.start();
    if (name === 'websocket' && this.video) {
      this.webSocket?.configure(this.video);
    }
  }

  private stopTransport(name: Transport): void {
    this.options.send({ type: 'stop', transport: name });
    this.transports.get(name)?.stop();
    this.live.delete(name);
    if (name === 'webrtc') {
      this.emit('soundEnded', undefined);
    }
  }

  private show(name: Transport): void {
    for (const [other, { element }] of this.transports) {
      element.classList.toggle('ss-shown', other === name);
      if (other !== name && !this.state.running.includes(other)) {
        element.remove();
        this.transports.delete(other);
      }
    }
    this.lastFrameAt = performance.now();
  }

  private make(name: Transport): PictureTransport {
    const { meter, send, sendBinary, rfbUrl, wantsSound } = this.options;
    const events: TransportEvents = {
      send,
      frame: () => this.presented(name),
      received: bytes => meter.received(bytes),
      failed: reason => this.fail(name, reason),
    };
    switch (name) {
      case 'websocket':
        return new WebSocketTransport({ ...events, sendBinary });
      case 'webrtc':
        return new WebRtcTransport({
          ...events,
          iceServers: this.hello?.ice_servers ?? [],
          audio: this.hello?.policy.audio === true,
          wantsSound,
          sound: stream => this.emit('sound', stream),
          soundLevel: level => this.emit('soundLevel', level),
        });
      case 'rfb':
        return new RfbTransport({ ...events, url: rfbUrl });
    }
  }

  private presented(name: Transport): void {
    if (!this.live.has(name)) {
      this.live.add(name);
      this.apply({ type: 'first_frame', transport: name });
    }
    if (this.state.shown === name) {
      this.lastFrameAt = performance.now();
      this.options.meter.frame();
      this.emit('frame', { transport: name });
    }
  }

  private fail(name: Transport, reason: string): void {
    if (this.state.running.includes(name)) {
      this.emit('failure', { transport: name, reason });
      this.apply({ type: 'failed', transport: name });
    }
  }

  /** The streamer's count of frames grew between two pongs, and no picture came in that time or shortly after. */
  private checkStarved(sent: number | undefined): void {
    const now = performance.now();
    const since = this.lastPongAt;
    const grew = sent !== undefined && sent > this.sentFrames;
    this.sentFrames = sent ?? 0;
    this.lastPongAt = now;
    if (this.state.shown !== 'webrtc' || document.hidden || !grew || this.lastFrameAt >= since) {
      return;
    }
    window.setTimeout(() => {
      if (this.state.shown === 'webrtc' && !document.hidden && this.lastFrameAt < since) {
        this.fail('webrtc', 'frames are sent and none arrives');
      }
    }, STARVED_MS);
  }
}

function avoidsWebrtc(): boolean {
  try {
    const stored = JSON.parse(localStorage.getItem(REMEMBER_KEY) ?? 'null') as {
      transport: Transport;
      at: number;
    } | null;
    return stored !== null && stored.transport !== 'webrtc' && Date.now() - stored.at < AVOID_MS;
  } catch {
    return false;
  }
}
