import { describe, expect, it } from 'vitest';
import { BUFFER_S, MAX_AHEAD_S, Playout } from '../src/playout';

const PACKET = 0.02;

/** Plays packets that come every 20 ms, late by `jitter(n)`; returns how far ahead each was placed, null if left out. */
function play(playout: Playout, count: number, jitter: (n: number) => number, quiet = false, from = 1) {
  return Array.from({ length: count }, (_, n) => {
    const now = from + n * PACKET + jitter(n);
    const at = playout.place(now, PACKET, quiet);
    return at === null ? null : at - now;
  });
}

describe('playout', () => {
  it('holds the first packet back, for jitter, and goes on without a gap', () => {
    const playout = new Playout();
    const at = [0, 1, 2].map(n => playout.place(10 + n * PACKET, PACKET, false) as number);
    expect(at[0]).toBeCloseTo(10 + BUFFER_S);
    expect(at[1]! - at[0]!).toBeCloseTo(PACKET);
    expect(at[2]! - at[1]!).toBeCloseTo(PACKET);
  });

  it('begins anew after it ran dry', () => {
    const playout = new Playout();
    playout.place(10, PACKET, false);
    expect(playout.place(11, PACKET, false)).toBeCloseTo(11 + BUFFER_S);
  });

  it('leaves out what comes in a burst and would be heard too late', () => {
    const playout = new Playout();
    const ahead = Array.from({ length: 40 }, () => playout.place(10, PACKET, false));
    const placed = ahead.filter(at => at !== null);
    expect(Math.max(...placed) - 10).toBeLessThanOrEqual(MAX_AHEAD_S);
    expect(placed.length).toBeLessThan(14);
  });

  it('gives back what a calm line never needed', () => {
    const playout = new Playout();
    play(playout, 6, () => 0, false, 0.9); // a burst: a hundred milliseconds too much in hand
    const ahead = play(playout, 300, () => 0);
    expect(ahead.filter(at => at === null).length).toBeGreaterThan(2);
    expect(ahead.at(-1)).toBeLessThan(0.045);
    expect(ahead.at(-1)).toBeGreaterThan(0);
  });

  it('keeps what a nervous line needs', () => {
    const ahead = play(new Playout(), 500, n => (n % 10 === 0 ? 0.05 : 0));
    expect(ahead.filter(at => at === null).length).toBeLessThan(3);
  });

  it('uses silence to catch up', () => {
    const playout = new Playout();
    for (let n = 0; n < 8; n++) {
      playout.place(10, PACKET, false);
    }
    const ahead = play(playout, 15, () => 0, true, 10);
    expect(ahead.at(-1)!).toBeLessThanOrEqual(BUFFER_S + 0.001);
  });
});
