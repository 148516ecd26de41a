import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { attemptLimit, retryDelay, ViewerSocket } from '../src/socket';

/** What a network does that nobody can order from a real one: it stands still, and time with it. */
class Network {
  static sockets: Network[] = [];
  static readonly OPEN = 1;
  readyState = 0;
  bufferedAmount = 0;
  binaryType = '';
  sent: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;

  constructor() {
    Network.sockets.push(this);
  }

  send(data: string): void {
    this.sent.push(data);
  }

  close(): void {
    this.readyState = 3;
  }

  open(): void {
    this.readyState = Network.OPEN;
    this.onopen?.();
  }

  answer(): void {
    this.onmessage?.({ data: '{"type":"pong","t":0}' });
  }
}

const lost = vi.fn();
const onPage = new Map<string, () => void>();

function opened(): ViewerSocket {
  const addresses = { socket: 'ws://x/ws', requests: 'http://x/http', xsrf: '', polled: false };
  const socket = new ViewerSocket(addresses, { message: () => undefined, media: () => undefined, lost });
  socket.open();
  return socket;
}

const newest = () => Network.sockets.at(-1)!;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', Network);
  vi.stubGlobal('window', globalThis);
  vi.stubGlobal('addEventListener', (name: string, act: () => void) => onPage.set(name, act));
  vi.stubGlobal('document', { hidden: false, addEventListener: () => undefined });
  Network.sockets = [];
  lost.mockReset();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('attempts', () => {
  it.each([
    [false, [0, 200, 500, 500, 500, 500]],
    [true, [0, 200, 500, 1000, 1000, 1000]],
  ])('follow one another without end (server answers: %s)', (answered, delays) => {
    expect([0, 1, 2, 3, 16, 1000].map(attempt => retryDelay(attempt, answered))).toEqual(delays);
  });

  it('are short for half a minute, then outlast what Chromium holds them back for', () => {
    expect([0, 15, 16, 1000].map(attempt => attemptLimit(attempt, false))).toEqual([1500, 1500, 5500, 5500]);
    expect(attemptLimit(1000, false, false), 'in Firefox').toBe(1500);
  });

  it('may take long while the server answers requests', () => {
    expect(attemptLimit(0, true)).toBe(10_000);
  });
});

it('sends a first packet at least each two seconds, between which TCP sends one more', () => {
  const socket = opened();
  newest().open();
  newest().onclose?.();
  socket.setReachable(false);
  const times: number[] = [];
  for (let at = 0, known = Network.sockets.length; at < 30_000; at += 50) {
    vi.advanceTimersByTime(50);
    if (Network.sockets.length > known) {
      known = Network.sockets.length;
      times.push(at);
    }
  }
  const gaps = times.slice(1).map((at, i) => at - times[i]!);
  expect(gaps.length).toBeGreaterThan(5);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(2050);
});

it('does not hurry while a server that answers refuses the socket', () => {
  const socket = opened();
  for (let i = 0; i < 5; i++) {
    newest().onclose?.();
    socket.setReachable(true);
    vi.advanceTimersByTime(1000);
  }
  newest().onclose?.();
  const attempts = Network.sockets.length;
  vi.advanceTimersByTime(900);
  expect(Network.sockets.length).toBe(attempts);
});

it('notices within four seconds that nothing comes any more', () => {
  const socket = opened();
  newest().open();
  for (let at = 0; at < 5000; at += 250) {
    vi.advanceTimersByTime(250);
    socket.busy();
    newest().answer();
  }
  for (let at = 0; at < 4000; at += 250) {
    vi.advanceTimersByTime(250);
  }
  expect(lost).toHaveBeenCalledWith(true, false);
});

it('does not connect for a page that is being left, and goes on if it stays after all', () => {
  opened();
  newest().open();
  onPage.get('beforeunload')?.();
  vi.advanceTimersByTime(10);
  newest().onclose?.();
  expect(lost).toHaveBeenCalledWith(true, true);
  vi.advanceTimersByTime(1900);
  expect(Network.sockets.length).toBe(1);
  vi.advanceTimersByTime(200);
  expect(Network.sockets.length).toBe(2);
  newest().open();
  newest().onclose?.();
  expect(lost).toHaveBeenLastCalledWith(true, false);
});

it('keeps the connection of a page out of sight, whose timers the browser lets run once a minute', () => {
  const beats: (() => void)[] = [];
  vi.stubGlobal('window', {
    setTimeout: () => 0,
    clearTimeout: () => undefined,
    clearInterval: () => undefined,
    setInterval: (beat: () => void) => beats.push(beat),
  });
  opened();
  newest().open();
  for (let minute = 0; minute < 10; minute++) {
    vi.advanceTimersByTime(60_000);
    beats.forEach(beat => beat());
    vi.advanceTimersByTime(20);
    newest().answer();
  }
  expect(lost).not.toHaveBeenCalled();
  expect(newest().sent.length).toBe(10);
});
