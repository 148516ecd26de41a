import { expect, it } from 'vitest';
import { Starvation } from '../src/starvation';

function watching(): Starvation {
  const starvation = new Starvation();
  starvation.reset(0);
  starvation.frame(100);
  starvation.pong(500, 10);
  starvation.pong(750, 10);
  return starvation;
}

it('lets a desktop stand still', () => {
  const starvation = watching();
  starvation.pong(1000, 10);
  expect(starvation.silence(60_000)).toBe(0);
});

it('counts from the answer that told of frames which nobody saw', () => {
  const starvation = watching();
  starvation.pong(1000, 12);
  expect(starvation.silence(1800)).toBe(800);
  starvation.pong(1500, 14);
  expect(starvation.silence(1800)).toBe(800);
});

it('counts a flow that ends from the answer before', () => {
  const starvation = watching();
  starvation.frame(900);
  starvation.pong(1000, 12);
  starvation.pong(1250, 14);
  expect(starvation.silence(1800)).toBe(800);
});

it('is content with frames that come', () => {
  const starvation = watching();
  starvation.frame(800);
  starvation.pong(1000, 12);
  expect(starvation.silence(1100)).toBe(0);
});

it('ends with a frame, and tells how long it took', () => {
  const starvation = watching();
  starvation.pong(1000, 12);
  expect(starvation.frame(1400)).toBe(400);
  expect(starvation.silence(1500)).toBe(0);
});

it('starts afresh on another transport, and on another connection', () => {
  const starvation = watching();
  starvation.pong(1000, 12);
  starvation.shown(1200);
  expect(starvation.silence(2000)).toBe(0);
  starvation.reset(3000);
  starvation.pong(3500, 1);
  expect(starvation.silence(3600)).toBe(0);
});
