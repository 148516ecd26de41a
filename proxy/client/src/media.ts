/**
 * Carries out what the ladder decides: makes transports, stacks and places their pictures, notices starvation.
 * Knows nothing of input, and of the page only its stage.
 */

import { StreamerClock } from './clock';
import { common, rungs, type Abilities } from './detect';
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
import { recallWebRtc, rememberWebRtc } from './memory';
import type { Meter } from './meter';
import type {
  ErrorMessage,
  Hello,
  MediaPacket,
  Pong,
  Send,
  ServerMessage,
  Size,
  Transport,
  VideoConfig,
} from './protocol';
import { fetchTurnServers } from './server';
import { Starvation } from './starvation';
import { RfbTransport } from './transports/rfb';
import type { Packets, PictureTransport, Presented, TransportEvents } from './transports/types';
import { WebRtcTransport } from './transports/webrtc';
import { WebSocketTransport } from './transports/websocket';
import { TurnServers } from './turn';

export interface MediaEvents {
  transport: Transport | null;
  frame: { transport: Transport };
  sound: MediaStream;
  soundEnded: undefined;
  soundLevel: number;
  giveUp: GiveUpReason;
  failure: { transport: Transport; reason: string };
}

/** What the page's address asks for. */
export interface Wishes {
  /** `?transport=`: this one or none. */
  readonly forced: Transport | null;
  /** `?ice=relay`: WebRTC by TURN only, to try that out. */
  readonly relayOnly: boolean;
}

export interface MediaOptions extends Wishes {
  stage: HTMLElement;
  meter: Meter;
  send: Send;
  sendBinary: (data: ArrayBuffer) => void;
  rfbUrl: string;
  /** Whether sound should be sent. */
  wantsSound: () => boolean;
}

type Dated<T> = T extends unknown ? Omit<T, 'now'> : never;

const MEASURE_MS = 250;

export class Media extends Emitter<MediaEvents> {
  /** What the encoder aims at, bits in a second; null: the streamer does not say. */
  targetBitrate: number | null = null;
  /** Where the time of this page's frames goes in the session, as the streamer says. */
  phases: NonNullable<Pong['phases']> = {};
  /** Connected pages; null: the streamer does not say. */
  viewers: number | null = null;

  /** What came by WebRTC and what did not; null: it is not in use. */
  packets: Packets | null = null;

  private state: LadderState;
  private readonly transports = new Map<Transport, PictureTransport>();
  /** Transports that have shown a picture since they were started. */
  private readonly live = new Set<Transport>();
  private readonly clock = new StreamerClock();
  private readonly starvation = new Starvation();
  private hello: Hello | null = null;
  private turn = new TurnServers([], fetchTurnServers);
  private able: Abilities | null = null;
  private video: VideoConfig | null = null;
  private size: Size | null = null;
  private loss = 0;
  private lastShown: Transport | null = null;
  private timer = 0;

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

  /** What the pictures are encoded with; null: nothing comes, or noVNC does not say. */
  get codec(): string | null {
    return this.state.shown === null || this.state.shown === 'rfb' ? null : (this.video?.codec ?? null);
  }

  /** Where the picture is on the stage, in CSS pixels. */
  get placement(): Placement {
    const { clientWidth: width, clientHeight: height } = this.options.stage;
    return place({ width, height }, this.size ?? { width: 0, height: 0 }, devicePixelRatio);
  }

  /** The streamer is ready for this viewer. */
  connect(hello: Hello, able: Abilities): void {
    this.hello = hello;
    this.turn = new TurnServers(hello.ice_servers, fetchTurnServers);
    this.able = able;
    this.starvation.reset(performance.now());
    this.timer = window.setInterval(() => this.measure(), MEASURE_MS);
    this.apply({ type: 'connected', able: rungs(able, hello), memory: recallWebRtc() });
  }

  /** The connection is gone; `left`: with the page. */
  disconnect(left: boolean): void {
    window.clearInterval(this.timer);
    this.video = null;
    this.clock.reset();
    this.apply({ type: 'disconnected', left });
  }

  /** The computer changed its network, or has one again. */
  networkChanged(): void {
    this.webRtc?.renew();
    this.apply({ type: 'network_changed' });
  }

  /** Sound was turned on or off. */
  refreshSound(): void {
    if (this.state.shown) {
      this.ask(this.state.shown);
    }
  }

  push(packet: MediaPacket): void {
    this.webSocket?.push(packet);
  }

  /** The page is out of sight, or seen again: out of sight it gets nothing. */
  hide(hidden: boolean): void {
    this.starvation.shown(performance.now());
    for (const name of this.state.running) {
      this.transports.get(name)?.hide(hidden);
    }
    this.options.send({ type: 'visibility', hidden });
  }

  handle(message: ServerMessage): void {
    switch (message.type) {
      case 'video':
        this.video = message;
        this.webSocket?.configure(message);
        // The picture may be smaller than the screen, which it is only asked for while that is unknown.
        this.setScreen(this.size ?? message);
        break;
      case 'screen':
        this.setScreen(message);
        break;
      case 'rtc_answer':
        void this.webRtc?.answer(message.sdp);
        break;
      case 'rtc_clock':
        this.clock.noteRtp(message.rtp, message.capture);
        break;
      case 'pong':
        this.pong(message);
        break;
      case 'error':
        this.refused(message);
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

  /** The one whose pictures come on the viewer socket, however that goes. */
  private get webSocket(): WebSocketTransport | null {
    return (this.pick('websocket') ?? this.pick('http')) as WebSocketTransport | null;
  }

  private get webRtc(): WebRtcTransport | null {
    return this.pick('webrtc') as WebRtcTransport | null;
  }

  private pick(name: Transport): PictureTransport | null {
    return this.state.running.includes(name) ? (this.transports.get(name) ?? null) : null;
  }

  private apply(event: Dated<LadderEvent>): void {
    const before = this.state.shown;
    const step = ladder(this.state, { ...event, now: Date.now() });
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
        rememberWebRtc(action.memory);
        break;
      case 'give_up':
        this.emit('giveUp', action.reason);
        break;
    }
  }

  private startTransport(name: Transport): void {
    if (name !== 'webrtc') {
      // Before anything is made: the streamer works meanwhile. WebRTC sends its own, after its offer.
      this.ask(name);
    }
    const transport = this.make(name);
    this.transports.get(name)?.element.remove();
    this.transports.set(name, transport);
    transport.element.classList.add('ss-picture');
    transport.element.dataset['transport'] = name;
    // Below what is shown: hidden elements present no frames, so the first one could never be noticed.
    this.options.stage.prepend(transport.element);
    this.layout();
    this.live.delete(name);
    transport.start();
    if (this.video) {
      this.webSocket?.configure(this.video);
    }
  }

  /** Ask for media on `name`. */
  private ask(name: Transport): void {
    const start = { type: 'start', transport: name, audio: this.options.wantsSound() } as const;
    // Streamers that do not say what they encode do not know the field either.
    const offered = this.hello?.codecs;
    const codecs = name === 'rfb' || !offered ? null : common(this.able?.[name] ?? [], offered);
    this.options.send(codecs ? { ...start, codecs } : start);
  }

  private stopTransport(name: Transport): void {
    this.options.send({ type: 'stop', transport: name });
    this.transports.get(name)?.stop();
    this.live.delete(name);
    if (name === 'webrtc') {
      this.loss = 0;
      this.packets = null;
      this.emit('soundEnded', undefined);
    }
  }

  private show(name: Transport): void {
    const { meter } = this.options;
    for (const [other, { element }] of this.transports) {
      element.classList.toggle('ss-shown', other === name);
      if (other !== name && !this.state.running.includes(other)) {
        element.remove();
        this.transports.delete(other);
      }
    }
    if (this.lastShown !== null && this.lastShown !== name) {
      meter.switches += 1;
    }
    this.lastShown = name;
    meter.starved(this.starvation.frame(performance.now()));
  }

  private make(name: Transport): PictureTransport {
    const { meter, send, sendBinary, rfbUrl } = this.options;
    const events: TransportEvents = {
      send,
      frame: picture => this.presented(name, picture),
      received: bytes => meter.received(bytes),
      failed: reason => this.fail(name, reason),
    };
    switch (name) {
      case 'websocket':
      case 'http':
        return new WebSocketTransport({ ...events, name, sendBinary, worker: this.able?.worker === true });
      case 'webrtc':
        return new WebRtcTransport({
          ...events,
          turn: this.turn,
          relayOnly: this.options.relayOnly,
          audio: this.hello?.policy.audio === true,
          codecs: common(this.able?.webrtc ?? [], this.hello?.codecs),
          ask: () => this.ask('webrtc'),
          captureOf: rtp => this.clock.captureOf(rtp),
          line: ({ loss, dropped, packets }) => {
            this.loss = loss;
            this.packets = packets;
            meter.dropped += dropped;
          },
          sound: stream => this.emit('sound', stream),
          soundLevel: level => this.emit('soundLevel', level),
        });
      case 'rfb':
        return new RfbTransport({ ...events, url: rfbUrl });
    }
  }

  private presented(name: Transport, picture: Presented): void {
    if (!this.live.has(name)) {
      this.live.add(name);
      const overTcp = name === 'webrtc' && this.webRtc?.overTcp === true;
      this.apply({ type: 'first_frame', transport: name, overTcp });
    }
    if (this.state.shown === name) {
      const { meter } = this.options;
      meter.starved(this.starvation.frame(performance.now()));
      const { captureUs, at } = picture;
      meter.frame(picture, captureUs === null ? null : this.clock.latency(captureUs, at));
      this.emit('frame', { transport: name });
    }
  }

  private fail(name: Transport, reason: string): void {
    if (this.state.running.includes(name)) {
      this.emit('failure', { transport: name, reason });
      this.apply({ type: 'failed', transport: name });
    }
  }

  private refused(error: ErrorMessage): void {
    if (error.code === 'transport_failed' && this.state.running.includes('webrtc')) {
      this.fail('webrtc', error.message);
    }
  }

  private pong({ t, now, frames, bitrate, viewers, phases }: Pong): void {
    const at = performance.now();
    // 0: nothing is encoded yet.
    this.targetBitrate = bitrate || null;
    this.viewers = viewers ?? null;
    this.phases = phases ?? {};
    if (now !== undefined) {
      this.clock.note(t, at, now);
    }
    if (frames !== undefined) {
      this.starvation.pong(at, frames);
    }
    this.measure();
  }

  private measure(): void {
    const starving = this.state.shown !== null && this.state.shown !== 'rfb' && !document.hidden;
    this.apply({
      type: 'measured',
      roundTrip: this.options.meter.roundTrip,
      loss: this.loss,
      bandwidth: this.targetBitrate,
      silence: starving ? this.starvation.silence(performance.now()) : 0,
    });
  }
}
