import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cssCursor } from '../src/input/cursor';
import { WheelSteps, protocolButtons } from '../src/input/pointer';
import { TouchGestures } from '../src/input/touch';
import type { ClientMessage } from '../src/protocol';

it.each([
  [0, 0],
  [1, 1],
  [2, 4],
  [4, 2],
  [3, 5],
  [8 + 16, 8 + 16],
  [31, 31],
])('the browser’s button mask %i is %i in the protocol', (browser, protocol) => {
  expect(protocolButtons(browser)).toBe(protocol);
});

describe('wheel', () => {
  const turn = (steps: WheelSteps, deltaY: number, timeStamp: number, deltaMode = 0) =>
    steps.add({ deltaX: 0, deltaY, deltaMode, timeStamp }).dy;

  it('makes a step of each notch of a mouse', () => {
    const steps = new WheelSteps();
    expect([turn(steps, 120, 0), turn(steps, -120, 10), turn(steps, 3, 20, 1)]).toEqual([1, -1, 1]);
  });

  it('adds up what a touchpad sends in pixels', () => {
    const steps = new WheelSteps();
    expect([30, 30, 30, 30].map((delta, i) => turn(steps, delta, i * 16))).toEqual([0, 0, 0, 1]);
  });

  it('forgets the rest of a gesture when it is over or turns round', () => {
    const steps = new WheelSteps();
    expect([
      turn(steps, 90, 0),
      turn(steps, 90, 1000),
      turn(steps, -90, 1010),
      turn(steps, -20, 1020),
    ]).toEqual([0, 0, 0, -1]);
  });

  it('never sends more steps at once than the streamer takes', () => {
    expect(turn(new WheelSteps(), 1e6, 0)).toBe(20);
  });
});

describe('cursor', () => {
  const arrow = { type: 'cursor', width: 24, height: 24, hot_x: 4, hot_y: 6, png: 'AAAA' } as const;

  it.each([
    [arrow, 1, 'url("data:image/png;base64,AAAA") 4 6, default'],
    [arrow, 2, 'image-set(url("data:image/png;base64,AAAA") 2x) 2 3, default'],
    [{ ...arrow, png: null }, 1, 'none'],
    [{ ...arrow, width: 200 }, 1, 'default'],
  ])('%#', (cursor, ratio, css) => {
    expect(cssCursor(cursor, ratio)).toBe(css);
  });
});

describe('touch', () => {
  let sent: ClientMessage[];
  let touch: TouchGestures;

  beforeEach(() => {
    vi.useFakeTimers();
    sent = [];
    touch = new TouchGestures({
      send: message => sent.push(message),
      locate: (x, y) => ({ x: x * 2, y: y * 2 }),
      onInput: () => undefined,
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const buttons = () => sent.map(message => (message.type === 'pointer' ? message.buttons : message.type));

  it('a tap clicks where the finger came down', () => {
    touch.down(1, { x: 10, y: 20 });
    touch.move(1, { x: 12, y: 21 });
    touch.up(1);
    expect(buttons()).toEqual([0, 1, 0]);
    expect(sent[1]).toMatchObject({ x: 20, y: 40 });
  });

  it('a long press is a right click, once', () => {
    touch.down(1, { x: 10, y: 20 });
    vi.advanceTimersByTime(600);
    touch.move(1, { x: 90, y: 90 });
    touch.up(1);
    expect(buttons()).toEqual([0, 4, 0]);
  });

  it('a moving finger drags from where it came down, and lets go', () => {
    touch.down(1, { x: 0, y: 0 });
    touch.move(1, { x: 30, y: 0 });
    touch.move(1, { x: 40, y: 0 });
    touch.up(1);
    expect(buttons()).toEqual([1, 1, 1, 0]);
    expect(sent[0]).toMatchObject({ x: 0 });
    expect(sent[3]).toMatchObject({ x: 80 });
  });

  it('two fingers turn the wheel, and click nothing', () => {
    touch.down(1, { x: 0, y: 100 });
    touch.down(2, { x: 50, y: 100 });
    for (let y = 90; y >= 40; y -= 10) {
      touch.move(1, { x: 0, y });
      touch.move(2, { x: 50, y });
    }
    touch.up(1);
    touch.up(2);
    expect(sent).toEqual([
      { type: 'wheel', x: 0, y: 200, dx: 0, dy: 1 },
      { type: 'wheel', x: 0, y: 200, dx: 0, dy: 1 },
    ]);
  });

  it('a cancelled touch clicks nothing', () => {
    touch.down(1, { x: 0, y: 0 });
    touch.up(1, true);
    expect(sent).toEqual([]);
  });
});
