/** Collects the microphone's samples into pieces of 20 ms, on the browser's sound thread. */

const PIECE = 960;

interface Port {
  postMessage: (data: Float32Array, transfer: Transferable[]) => void;
}

declare class AudioWorkletProcessor {
  readonly port: Port;
}
declare function registerProcessor(name: string, processor: typeof AudioWorkletProcessor): void;

class MicrophoneProcessor extends AudioWorkletProcessor {
  private piece = new Float32Array(PIECE);
  private filled = 0;

  process(inputs: Float32Array[][]): boolean {
    for (const sample of inputs[0]?.[0] ?? []) {
      this.piece[this.filled++] = sample;
      if (this.filled === PIECE) {
        this.port.postMessage(this.piece, [this.piece.buffer]);
        this.piece = new Float32Array(PIECE);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor('streamspace-microphone', MicrophoneProcessor);
