import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { MediaPacket } from '../src/protocol';
import { Painter } from '../src/transports/painter';

/** A decoder that gives its pictures when it is told to. */
class FakeDecoder {
  static made: FakeDecoder[] = [];
  state = 'unconfigured';
  config: VideoDecoderConfig | null = null;
  waiting: number[] = [];

  constructor(private readonly init: { output: (frame: unknown) => void; error: (error: Error) => void }) {
    FakeDecoder.made.push(this);
  }
  configure(config: VideoDecoderConfig): void {
    this.config = config;
    this.state = 'configured';
  }
  decode({ timestamp }: { timestamp: number }): void {
    this.waiting.push(timestamp);
  }
  close(): void {
    this.state = 'closed';
  }
  /** All that waits comes out. */
  flow(): void {
    for (const timestamp of this.waiting.splice(0)) {
      this.init.output({ timestamp, displayWidth: 64, displayHeight: 32, close: () => undefined });
    }
  }
  fail(): void {
    this.init.error(new Error('broken'));
  }
}

const events = {
  acknowledge: vi.fn(),
  painted: vi.fn(),
  askKeyframe: vi.fn(),
  failed: vi.fn(),
};
const sink = { show: vi.fn() };
let painter: Painter;

function packet(id: number, keyframe = id === 1, epoch = 1): MediaPacket {
  return { kind: 'video', keyframe, epoch, id, captureUs: id * 1000, payload: new Uint8Array(4) };
}

function decoder(): FakeDecoder {
  return FakeDecoder.made.at(-1)!;
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeDecoder.made = [];
  vi.stubGlobal('VideoDecoder', FakeDecoder);
  vi.stubGlobal(
    'EncodedVideoChunk',
    class {
      constructor(init: object) {
        Object.assign(this, init);
      }
    },
  );
  Object.values(events).forEach(event => event.mockReset());
  painter = new Painter(sink, events);
  painter.configure({ type: 'video', epoch: 1, codec: 'vp8', width: 64, height: 32 });
});

afterEach(() => {
  painter.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it('paints what comes, with its size and the time of its capture', () => {
  painter.push(packet(1));
  decoder().flow();
  expect(events.painted).toHaveBeenCalledWith(
    expect.objectContaining({ captureUs: 1000, width: 64, height: 32 }),
  );
  expect(sink.show).toHaveBeenCalledWith(expect.anything(), 1, 64, 32);
  expect(decoder().config?.codec).toBe('vp8');
});

it('acknowledges at once while the decoder is quick, and waits for it while it is not', () => {
  painter.push(packet(1));
  expect(events.acknowledge.mock.calls).toEqual([[1, 1]]);
  painter.push(packet(2));
  expect(events.acknowledge).toHaveBeenCalledTimes(1);
  decoder().flow();
  expect(events.acknowledge.mock.calls.at(-1)).toEqual([2, 1]);
});

it('asks for a keyframe when it has none, and still acknowledges', () => {
  painter.push(packet(5, false));
  expect(events.askKeyframe).toHaveBeenCalledTimes(1);
  expect(events.acknowledge.mock.calls).toEqual([[5, 0]]);
  painter.push(packet(6, false));
  expect(events.askKeyframe).toHaveBeenCalledTimes(1);
});

it('takes no frame of another epoch', () => {
  painter.push(packet(1, true, 2));
  expect(decoder().waiting).toEqual([]);
});

it('turns to software when pictures stay in the decoder, and gives up when they stay there too', () => {
  painter.push(packet(1));
  vi.advanceTimersByTime(1500);
  expect(FakeDecoder.made.length).toBe(2);
  expect(decoder().config?.hardwareAcceleration).toBe('prefer-software');
  expect(events.askKeyframe).toHaveBeenCalled();
  painter.push(packet(2, true));
  vi.advanceTimersByTime(1500);
  expect(events.failed).toHaveBeenCalledWith(expect.stringContaining('stay in the decoder'));
});

it('pays what it owes when the decoder breaks: the streamer would wait for ever', () => {
  painter.push(packet(1));
  painter.push(packet(2));
  decoder().fail();
  expect(events.acknowledge.mock.calls.at(-1)).toEqual([2, 0]);
});

it('does not mistake a page out of sight for a decoder that is stuck', () => {
  painter.hide(true);
  painter.push(packet(1));
  vi.advanceTimersByTime(20_000);
  expect(events.failed).not.toHaveBeenCalled();
  expect(FakeDecoder.made.length).toBe(1);
});

it('says so when no picture comes at all', () => {
  vi.advanceTimersByTime(10_500);
  expect(events.askKeyframe).toHaveBeenCalled();
  expect(events.failed).toHaveBeenCalledWith('no picture came');
});

it('shows images by the image decoder, the newest and never an older one after it', async () => {
  const ready: ((image: object) => void)[] = [];
  vi.stubGlobal('createImageBitmap', () => new Promise(resolve => ready.push(resolve)));
  const image = (width: number) => ({ width, height: 8, close: () => undefined });
  painter.configure({ type: 'video', epoch: 2, codec: 'jpeg', width: 64, height: 32 });
  painter.push(packet(1, true, 2));
  painter.push(packet(2, true, 2));
  ready[1]!(image(20));
  ready[0]!(image(10));
  await vi.advanceTimersByTimeAsync(1);
  expect(events.painted.mock.calls.map(([picture]) => (picture as { width: number }).width)).toEqual([20]);
  expect(events.acknowledge.mock.calls.at(-1)).toEqual([2, 0]);
});
