import { expect, test } from 'vitest';

import { ApiError } from '../src/api';
import { mayPass, untilThere } from '../src/patience';

const away = new ApiError(503, 'The database does not answer.');
const denied = new ApiError(403, 'No.');

function failing(...errors: Error[]): { load: () => Promise<void>; asked: () => number } {
  let asked = 0;
  const load = () => {
    asked += 1;
    const error = errors.shift();
    return error ? Promise.reject(error) : Promise.resolve();
  };
  return { load, asked: () => asked };
}

test('what is away is asked for until it is there', async () => {
  const { load, asked } = failing(away, new ApiError(0, 'Failed to fetch'), new ApiError(502, 'The hub.'));
  expect(await untilThere(load, away, new AbortController().signal, 0)).toBe(true);
  expect(asked()).toBe(4);
});

test('what is refused is not asked for again', async () => {
  const { load, asked } = failing(denied, away);
  expect(await untilThere(load, away, new AbortController().signal, 0)).toBe(false);
  expect(asked()).toBe(1);
  expect(await untilThere(load, denied, new AbortController().signal, 0)).toBe(false);
  expect(mayPass(new TypeError('a fault of ours'))).toBe(false);
});

test('nothing is asked for once nobody wants it', async () => {
  const { load, asked } = failing(away);
  const ended = new AbortController();
  ended.abort();
  expect(await untilThere(load, away, ended.signal, 0)).toBe(false);
  expect(asked()).toBe(0);
});
