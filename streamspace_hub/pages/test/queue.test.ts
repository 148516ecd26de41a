import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { ApiError, type Queued } from '../src/api';
import { untilAdmitted } from '../src/queue';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const full = (position: number) => new ApiError(429, 'No room.', { position, wait: null, again: 10 });

test('who is told to wait asks again, and is let in', async () => {
  const answers: (ApiError | string)[] = [full(2), full(1), 'started'];
  const places: Queued[] = [];
  const ask = vi.fn(() => {
    const answer = answers.shift();
    return answer instanceof ApiError ? Promise.reject(answer) : Promise.resolve(answer);
  });
  const admitted = untilAdmitted(ask, place => places.push(place), new AbortController().signal);
  await vi.advanceTimersByTimeAsync(9_900);
  expect(ask, 'not before its time').toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(10_200);
  expect(await admitted).toBe('started');
  expect(places.map(({ position }) => position)).toEqual([2, 1]);
});

test('any other refusal is the end', async () => {
  const refusal = new ApiError(429, 'Ask less often with this token.');
  const ask = vi.fn(() => Promise.reject(refusal));
  await expect(untilAdmitted(ask, () => undefined, new AbortController().signal)).rejects.toBe(refusal);
  expect(ask).toHaveBeenCalledTimes(1);
});

test('who gives up asks no more', async () => {
  const giveUp = new AbortController();
  const ask = vi.fn(() => Promise.reject(full(1)));
  const waiting = untilAdmitted(ask, () => giveUp.abort(new Error('given up')), giveUp.signal);
  await expect(waiting).rejects.toThrow('given up');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ask).toHaveBeenCalledTimes(1);
});
