import { expect, it } from 'vitest';

import { Api } from '../src/api';
import { traceparent } from '../src/trace';
import { session } from './server';

it('begins a trace of its own with each click, in the form of W3C Trace Context', () => {
  const first = traceparent();
  expect(first).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(traceparent().slice(3, 35)).not.toBe(first.slice(3, 35));
});

it.each([
  [true, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/],
  [false, /^none$/],
])('sends a header with a start where the server has traces (%s)', async (traces, expected) => {
  let sent: string | null = null;
  const api = new Api((_, init) => {
    sent = new Headers(init?.headers).get('traceparent');
    return Promise.resolve(Response.json(session('starting')));
  }, traces);
  await api.launch({ app: 'gimp' }, new AbortController().signal);
  expect(sent ?? 'none').toMatch(expected);
});
