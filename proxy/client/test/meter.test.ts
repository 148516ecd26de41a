import { expect, it } from 'vitest';
import { Meter } from '../src/meter';
import { retryDelay } from '../src/socket';

it('counts over the last two seconds and forgets', () => {
  let now = 0;
  const meter = new Meter(() => now);
  for (; now < 1000; now += 20) {
    meter.frame();
    meter.received(1000);
  }
  expect(meter.fps).toBe(25);
  expect(meter.bitrate).toBe(200_000);
  now = 5000;
  expect([meter.fps, meter.bitrate, meter.frames, meter.bytes]).toEqual([0, 0, 50, 50_000]);
});

it('measures from the last input to the next picture only', () => {
  let now = 0;
  const meter = new Meter(() => now);
  meter.frame();
  expect(meter.inputLatency).toBeNull();
  meter.input();
  now = 12;
  meter.frame();
  now = 40;
  meter.frame();
  expect(meter.inputLatency).toBe(12);
});

it('connects again at once, then ever more slowly, and never gives up', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 1000].map(retryDelay)).toEqual([0, 200, 500, 1000, 2000, 5000, 5000, 5000]);
});
