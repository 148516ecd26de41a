import { expect, test } from 'vitest';

import { nextDelay, togetherDelay } from '../src/pictures';

test.each([
  [1, 0, 2000],
  [100, 0, 2000],
  [200, 0, 4000],
  [1, 1, 4000],
  [1, 3, 16_000],
  [1, 99, 30_000],
])('of %d pictures, after %d failures, one comes after %d ms', (among, failures, delay) => {
  expect(nextDelay(among, failures)).toBe(delay);
});

test.each([
  [1, 5],
  [40, 200],
  [200, 500],
])('of %d on the page, pictures of %d ms are shown together', (among, delay) => {
  expect(togetherDelay(among)).toBe(delay);
});
