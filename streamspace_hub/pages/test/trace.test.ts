import { afterEach, expect, test, vi } from 'vitest';

import { makeApi } from '../src/api';
import type { Page } from '../src/page';

const PAGE: Page = {
  api: 'http://hub.test/services/streamspace',
  proof: 'proof',
  user: 'ann',
  admin: false,
  pictures: 'none',
  traces: false,
  shares: false,
  sharedWithYou: false,
  hubHome: '/hub/home',
  signOut: '/hub/logout',
  home: '/services/streamspace/',
  view: '',
};

afterEach(() => vi.unstubAllGlobals());

test.each([
  [true, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/],
  [false, /^none$/],
])('a start begins a trace where the service has traces (%s)', async (traces, expected) => {
  const sent: string[] = [];
  vi.stubGlobal('fetch', (request: Request) => {
    sent.push(request.headers.get('traceparent') ?? 'none');
    return Promise.resolve(Response.json({}));
  });
  await makeApi({ ...PAGE, traces }, () => undefined).start('gimp');
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatch(expected);
});
