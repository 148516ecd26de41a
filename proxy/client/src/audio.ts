/**
 * Sound: Opus packets of the viewer socket through WebCodecs into Web Audio, or WebRTC's own stream. Browsers play
 * nothing before the user has touched the page, which `state` says.
 */

import { Playout } from './playout';
import type { MediaPacket } from './protocol';

export type SoundState = 'off' | 'waiting' | 'on' | 'muted';

const RATE = 48_000;
/** Below this nobody hears that a piece is missing. */
const QUIET = 0.003;
/** A loudness that nobody has renewed for this long is over: WebRTC tells it once a second. */
const LEVEL_MS = 1500;
const MUTED_KEY = 'streamspace.muted';

export class Sound {
  private context: AudioContext | null = null;
  private decoder: AudioDecoder | null = null;
  private readonly playout = new Playout();
  private allowed = false;
  private played = { level: 0, at: -Infinity };
  private muted = localStorage.getItem(MUTED_KEY) === 'true';
  private readonly element = new Audio();

  constructor(private readonly onChange: () => void) {}

  get state(): SoundState {
    if (!this.allowed) {
      return 'off';
    }
    if (this.muted) {
      return 'muted';
    }
    const running =
      this.context?.state === 'running' || (this.element.srcObject !== null && !this.element.paused);
    return running ? 'on' : 'waiting';
  }

  /** Whether sound should be sent at all. */
  get wanted(): boolean {
    return this.allowed && !this.muted;
  }

  /** How loud is what was played lately: 0 is silence, 1 the loudest that there is. */
  get level(): number {
    return !this.muted && performance.now() - this.played.at < LEVEL_MS ? this.played.level : 0;
  }

  /** Note how loud is what is being played. */
  heard(level: number): void {
    this.played = { level, at: performance.now() };
  }

  allow(allowed: boolean): void {
    this.allowed = allowed;
    this.onChange();
  }

  /** A click or key: from now on the browser lets sound play. */
  gesture(): void {
    if (!this.wanted) {
      return;
    }
    if (this.element.srcObject && this.element.paused) {
      this.element.play().then(this.onChange, () => undefined);
    }
    if (this.context === null && typeof AudioDecoder !== 'undefined') {
      this.context = new AudioContext({ sampleRate: RATE, latencyHint: 'interactive' });
      this.context.onstatechange = () => this.onChange();
      this.onChange();
    } else if (this.context?.state === 'suspended') {
      this.context.resume().catch(() => undefined);
    }
  }

  toggle(): void {
    this.muted = !this.muted;
    localStorage.setItem(MUTED_KEY, String(this.muted));
    this.element.muted = this.muted;
    this.gesture();
    this.onChange();
  }

  /** One Opus packet of the viewer socket. */
  push(packet: MediaPacket): void {
    if (this.muted || this.context?.state !== 'running') {
      return;
    }
    this.decoder ??= this.openDecoder(this.context);
    this.decoder.decode(
      new EncodedAudioChunk({ type: 'key', timestamp: packet.captureUs, data: packet.payload }),
    );
  }

  /** WebRTC's sound from now on. */
  playStream(stream: MediaStream): void {
    this.element.srcObject = stream;
    this.element.muted = this.muted;
    this.element.play().then(this.onChange, this.onChange);
  }

  /** WebRTC ended: its stream is silent for good. */
  endStream(): void {
    this.element.srcObject = null;
  }

  private openDecoder(context: AudioContext): AudioDecoder {
    const decoder = new AudioDecoder({
      output: data => this.play(context, data),
      error: () => {
        // The next packet opens another one: a lost packet must not cost the sound.
        this.decoder = null;
      },
    });
    decoder.configure({ codec: 'opus', sampleRate: RATE, numberOfChannels: 2 });
    return decoder;
  }

  private play(context: AudioContext, data: AudioData): void {
    const buffer = context.createBuffer(data.numberOfChannels, data.numberOfFrames, data.sampleRate);
    let level = 0;
    for (let channel = 0; channel < data.numberOfChannels; channel++) {
      const samples = buffer.getChannelData(channel);
      data.copyTo(samples, { planeIndex: channel, format: 'f32-planar' });
      level = samples.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), level);
    }
    data.close();
    const at = this.playout.place(context.currentTime, buffer.duration, level < QUIET);
    if (at !== null) {
      this.heard(level);
      const source = context.createBufferSource();
      source.buffer = buffer;
      source.connect(context.destination);
      source.start(at);
    }
  }
}
