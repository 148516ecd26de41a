import { describe, expect, it } from 'vitest';
import { place, toScreen, wantedScreen } from '../src/geometry';

describe('place', () => {
  it.each([
    ['fits exactly', { width: 1280, height: 800 }, { width: 1280, height: 800 }, 1, [0, 0, 1280, 800]],
    [
      'is a hair smaller: not blurred',
      { width: 1281, height: 801 },
      { width: 1280, height: 800 },
      1,
      [0, 0, 1280, 800],
    ],
    ['has twice the pixels', { width: 640, height: 400 }, { width: 1280, height: 800 }, 2, [0, 0, 640, 400]],
    [
      'is wider: bars above and below',
      { width: 400, height: 400 },
      { width: 800, height: 400 },
      1,
      [0, 100, 400, 200],
    ],
    [
      'is taller: bars at the sides',
      { width: 800, height: 400 },
      { width: 400, height: 400 },
      1,
      [200, 0, 400, 400],
    ],
    ['is unknown', { width: 800, height: 400 }, { width: 0, height: 0 }, 1, [0, 0, 800, 400]],
  ] as const)('a screen that %s', (_, stage, screen, ratio, [left, top, width, height]) => {
    expect(place(stage, screen, ratio)).toEqual({ left, top, width, height });
  });
});

describe('toScreen', () => {
  const screen = { width: 800, height: 400 };
  const placed = { left: 0, top: 100, width: 400, height: 200 };

  it.each([
    [0, 100, 0, 0],
    [200, 200, 400, 200],
    [399.9, 299.9, 799, 399],
    [-50, 0, 0, 0],
    [1000, 1000, 799, 399],
  ])('(%d, %d) -> (%d, %d)', (x, y, sx, sy) => {
    expect(toScreen(x, y, placed, screen)).toEqual({ x: sx, y: sy });
  });
});

describe('wantedScreen', () => {
  const max = { width: 3840, height: 2160 };

  it.each([
    [{ width: 1280.7, height: 800 }, 1, { width: 1280, height: 800 }],
    [{ width: 1280, height: 800 }, 2, { width: 2560, height: 1600 }],
    [{ width: 800, height: 600 }, 3, { width: 1600, height: 1200 }],
    [{ width: 100, height: 50 }, 1, { width: 320, height: 200 }],
    [{ width: 5000, height: 3000 }, 2, { width: 3840, height: 2160 }],
  ])('%j at %d', (stage, ratio, size) => {
    expect(wantedScreen(stage, ratio, max)).toEqual(size);
  });
});
