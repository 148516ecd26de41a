import { expect, it } from 'vitest';
import { Meter, spread, thin } from '../src/meter';

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

it('counts no picture that was captured before the input', () => {
  let now = 100;
  const meter = new Meter(() => now);
  meter.input();
  now = 110;
  const picture = { captureUs: 1, at: 110, size: null };
  meter.frame(picture, 15);
  expect(meter.inputLatency).toBeNull();
  now = 130;
  meter.frame(picture, 5);
  expect(meter.inputLatency).toBe(30);
});

it('counts from the first of several inputs, unless it changed nothing', () => {
  let now = 0;
  const meter = new Meter(() => now);
  meter.input();
  now = 5;
  meter.input();
  now = 20;
  meter.frame();
  expect(meter.inputLatency).toBe(20);
  meter.input();
  now = 5000;
  meter.input();
  now = 5010;
  meter.frame();
  expect(meter.inputLatency).toBe(10);
});

it('reports what happened since the last report, once, and nothing of nothing', () => {
  let now = 50;
  const meter = new Meter(() => now);
  expect(meter.report()).toBeNull();
  meter.roundTrip = 20;
  meter.frame({ captureUs: 1, at: 50, size: { width: 2, height: 2 } }, 7.25);
  meter.switches = 1;
  meter.starved(100);
  meter.starved(400);
  const report = {
    type: 'report',
    first_picture_ms: 50,
    freezes: 1,
    freeze_ms: 400,
    switches: 1,
    latency_ms: [7.3],
    round_trip_ms: 20,
  };
  expect(meter.report()).toEqual(report);
  expect(meter.report()).toBeNull();
  for (; now < 6000; now += 16) {
    meter.frame(undefined, now);
  }
  const told = meter.report()?.latency_ms ?? [];
  expect(told.length).toBeLessThanOrEqual(50);
  expect(Math.max(...told)).toBeGreaterThan(5980);
});

it('gives median and 95th percentile', () => {
  expect(spread([])).toBeNull();
  expect(spread([4])).toEqual({ p50: 4, p95: 4, n: 1 });
  expect(spread(Array.from({ length: 100 }, (_, i) => i + 1))).toEqual({ p50: 50, p95: 95, n: 100 });
});

it('keeps the largest when it thins out', () => {
  expect(thin([1, 2, 3], 5)).toEqual([1, 2, 3]);
  expect(thin([1, 9, 3, 4, 5, 6], 3)).toEqual([9, 4, 6]);
});
