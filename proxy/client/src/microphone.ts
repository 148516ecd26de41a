/**
 * The user's microphone, where the session's policy allows it: 20 ms Opus packets, until it is turned off. It goes on
 * while the page is out of sight (people talk and look elsewhere); button and browser both show it.
 */

import { encodeMicrophone } from './protocol';

export type MicrophoneState = 'absent' | 'off' | 'asking' | 'on' | 'refused';

/** Named by the build, as the decoding worker is. */
declare const MICROPHONE_WORKLET: string;

const RATE = 48_000;
const BITRATE = 32_000;
const PACKET_US = 20_000;
/** Packets of this length say that nobody speaks (Opus DTX, RFC 6716 section 2.1.9): they are not sent. */
const SILENCE_BYTES = 3;
/** A browser's sound that has not begun to run by now has nothing to run on. */
const RUNNING_MS = 5000;

interface Line {
  stream: MediaStream;
  context: AudioContext;
  encoder: AudioEncoder;
}

export class Microphone {
  private allowed = false;
  private line: Line | null = null;
  private now: MicrophoneState = 'off';
  private sequence = 0;
  private timestamp = 0;

  constructor(
    private readonly sendBinary: (data: ArrayBuffer) => void,
    private readonly onChange: () => void,
  ) {}

  get state(): MicrophoneState {
    return this.allowed && mayRecord() ? this.now : 'absent';
  }

  allow(allowed: boolean): void {
    this.allowed = allowed;
    if (!allowed) {
      this.stop();
    }
    this.onChange();
  }

  toggle(): void {
    if (this.line || this.now === 'asking') {
      this.stop();
    } else {
      void this.start();
    }
  }

  stop(): void {
    const line = this.line;
    this.line = null;
    this.become('off');
    line?.stream.getTracks().forEach(track => track.stop());
    void line?.context.close();
    if (line && line.encoder.state !== 'closed') {
      line.encoder.close();
    }
  }

  private async start(): Promise<void> {
    this.become('asking');
    try {
      const line = await this.open();
      if (this.state !== 'asking') {
        // Turned off, or forbidden, while the browser asked.
        line.stream.getTracks().forEach(track => track.stop());
        void line.context.close();
        return;
      }
      this.line = line;
      this.become('on');
    } catch {
      this.become('refused');
    }
  }

  private async open(): Promise<Line> {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true },
    });
    const context = new AudioContext({ sampleRate: RATE, latencyHint: 'interactive' });
    try {
      return await this.listen(stream, context);
    } catch (error) {
      stream.getTracks().forEach(track => track.stop());
      void context.close();
      throw error;
    }
  }

  private async listen(stream: MediaStream, context: AudioContext): Promise<Line> {
    await running(context);
    await context.audioWorklet.addModule(new URL(MICROPHONE_WORKLET, import.meta.url));
    const encoder = this.openEncoder();
    const node = new AudioWorkletNode(context, 'streamspace-microphone', {
      numberOfInputs: 1,
      numberOfOutputs: 0,
      channelCount: 1,
    });
    node.port.onmessage = ({ data }: MessageEvent<Float32Array<ArrayBuffer>>) => this.encode(encoder, data);
    context.createMediaStreamSource(stream).connect(node);
    // Unplugged, or taken back in the browser's own controls.
    stream.getAudioTracks()[0]?.addEventListener('ended', () => this.stop());
    return { stream, context, encoder };
  }

  private openEncoder(): AudioEncoder {
    const encoder = new AudioEncoder({
      output: chunk => {
        if (chunk.byteLength <= SILENCE_BYTES) {
          this.sequence += 1;
          return;
        }
        const packet = new Uint8Array(chunk.byteLength);
        chunk.copyTo(packet);
        this.sendBinary(encodeMicrophone(this.sequence++, packet));
      },
      error: () => this.stop(),
    });
    const settings = { codec: 'opus', sampleRate: RATE, numberOfChannels: 1, bitrate: BITRATE };
    const opus = { frameDuration: PACKET_US, usedtx: true };
    encoder.configure({ ...settings, opus });
    return encoder;
  }

  private encode(encoder: AudioEncoder, samples: Float32Array<ArrayBuffer>): void {
    if (encoder.state !== 'configured') {
      return;
    }
    const sound = new AudioData({
      format: 'f32-planar',
      sampleRate: RATE,
      numberOfFrames: samples.length,
      numberOfChannels: 1,
      timestamp: this.timestamp,
      data: samples,
    });
    this.timestamp += PACKET_US;
    encoder.encode(sound);
    sound.close();
  }

  private become(state: MicrophoneState): void {
    this.now = state;
    this.onChange();
  }
}

/** Firefox gets nothing out of a microphone on a computer without any device to play sound on: its context stands still. */
async function running(context: AudioContext): Promise<void> {
  const patience = new Promise<never>((_, reject) => {
    window.setTimeout(() => reject(new Error('sound does not run')), RUNNING_MS);
  });
  await Promise.race([context.resume(), patience]);
}

/** Browsers give the microphone to encrypted pages only, and not all of them encode. */
function mayRecord(): boolean {
  // Typed as always there, which it is not on pages without encryption.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  return (
    devices !== undefined && typeof AudioEncoder !== 'undefined' && typeof AudioWorkletNode !== 'undefined'
  );
}
