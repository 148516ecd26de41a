import { expect, test } from 'vitest';

import { past, shownLeft } from '../src/left';
import type { Language } from '../src/strings';

const NOW = Date.parse('2026-01-31T12:00:00Z');

test.each<[number, Language, string]>([
  [-30, 'en', 'in 1 minute'],
  [20, 'en', 'in 1 minute'],
  [12 * 60, 'en', 'in 12 minutes'],
  [12 * 60, 'de', 'in 12 Minuten'],
  [100 * 60, 'en', 'in 100 minutes'],
  [5 * 3600, 'en', 'in 5 hours'],
  [40 * 3600, 'de', 'in 40 Stunden'],
  [72 * 3600, 'en', 'in 3 days'],
])('%d seconds are shown (%s) as %s', (seconds, language, shown) => {
  expect(shownLeft(new Date(NOW + 1000 * seconds).toISOString(), language, NOW)).toBe(shown);
});

test.each<[number, number]>([
  [-86_400, -86_400],
  [0, 0],
  [180, 0],
  [31_536_000, 0],
])('what began in %d seconds is shown as begun in %d', (seconds, shown) => {
  expect(Date.parse(past(new Date(NOW + 1000 * seconds).toISOString(), NOW))).toBe(NOW + 1000 * shown);
});
