import { expect, it } from 'vitest';
import { StreamerClock } from '../src/clock';

/** The streamer's clock is 5000 ms ahead of the page's, in microseconds. */
const streamer = (pageMs: number) => (pageMs + 5000) * 1000;

it('knows nothing before the first answer', () => {
  expect(new StreamerClock().latency(streamer(0), 10)).toBeNull();
});

it('takes the way back for half of the round trip', () => {
  const clock = new StreamerClock();
  clock.note(100, 140, streamer(120));
  expect(clock.latency(streamer(200), 230)).toBeCloseTo(30);
});

it('believes the quickest answer most', () => {
  const clock = new StreamerClock();
  clock.note(100, 110, streamer(105));
  // Was held up for 200 ms on the way back: half of that would be wrong.
  clock.note(1000, 1210, streamer(1005));
  expect(clock.latency(streamer(2000), 2012)).toBeCloseTo(12);
});

it('forgets what clocks may have drifted away from', () => {
  const clock = new StreamerClock();
  clock.note(0, 1, streamer(0.5));
  clock.note(200_000, 200_040, streamer(200_030));
  expect(clock.latency(streamer(200_100), 200_110)).toBeCloseTo(20);
});

it('never tells of pictures from the future', () => {
  const clock = new StreamerClock();
  clock.note(0, 10, streamer(5));
  expect(clock.latency(streamer(100), 99)).toBe(0);
});

it('finds the capture of an RTP timestamp, also across its wrap', () => {
  const clock = new StreamerClock();
  expect(clock.captureOf(0)).toBeNull();
  clock.noteRtp(2 ** 32 - 90, 1_000_000);
  expect(clock.captureOf(2 ** 32 - 90)).toBe(1_000_000);
  expect(clock.captureOf(0)).toBe(1_001_000);
  expect(clock.captureOf(2 ** 32 - 180)).toBe(999_000);
});

it('knows nothing of another streamer', () => {
  const clock = new StreamerClock();
  clock.note(0, 10, streamer(5));
  clock.noteRtp(1, 1);
  clock.reset();
  expect([clock.latency(0, 0), clock.captureOf(1)]).toEqual([null, null]);
});
