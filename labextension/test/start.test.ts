import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { attach, launch, ownAddress, type Step } from '../src/start';
import type { SessionState } from '../src/tokens';
import { collect, events, json, serve, session, type Asked } from './server';

const never = new AbortController().signal;

beforeEach(() => void vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 200 }));
afterEach(() => void vi.useRealTimers());

describe('launch', () => {
  it('asks for the app and its file, and shows a running session at once', async () => {
    const { api, asked } = serve(() => json(session('running')));
    const steps = await collect(launch(api, { app: 'gimp', open: 'a/b.png' }, never));
    expect(asked).toEqual([{ method: 'POST', path: 'sessions', body: { app: 'gimp', open: 'a/b.png' } }]);
    expect(steps.map(step => step.kind)).toEqual(['picture']);
    expect(steps[0]).toMatchObject({ url: '/user/ada/gimp/streamspace/' });
  });

  it('follows a starting session until it is ready', async () => {
    const { api } = serve(({ method }) =>
      method === 'POST'
        ? json(session('starting'), 202)
        : events(
            { progress: 40, message: 'Starting the screen' },
            { progress: 100, message: '', ready: true, url: '/x/' },
          ),
    );
    expect(await collect(launch(api, { app: 'gimp' }, never))).toEqual([
      { kind: 'progress', percent: 40, message: 'Starting the screen' },
      { kind: 'picture', session: session('starting'), url: '/x/' },
    ]);
  });

  it('ends with the sentence of a failure', async () => {
    const { api } = serve(({ method }) =>
      method === 'POST'
        ? json(session('starting'), 202)
        : events({ progress: 100, message: 'No X server.', failed: true }),
    );
    const steps = await collect(launch(api, { app: 'gimp' }, never));
    expect(steps.at(-1)).toEqual({ kind: 'failed', message: 'No X server.' });
  });

  it('gives the refusal of the server in its own words', async () => {
    const { api } = serve(() => json({ message: 'Four sessions are the most.', field: 'app' }, 403));
    await expect(collect(launch(api, { app: 'gimp' }, never))).rejects.toThrow('Four sessions are the most.');
  });

  it('waits for room as long as the server says so, and starts when it is its turn', async () => {
    const queue = (position: number, wait: number | null) => ({ position, wait, retry_after: 10 });
    const full = (position: number, wait: number | null) =>
      json({ message: 'There is no room.', queue: queue(position, wait) }, 429);
    const answers = [full(2, null), full(1, 60), json(session('running'))];
    const { api, asked } = serve(() => answers.shift() as Response);
    const steps = collect(launch(api, { app: 'gimp', open: 'a.png' }, never));
    await vi.advanceTimersByTimeAsync(20_000);
    expect(await steps).toEqual([
      { kind: 'queued', queue: queue(2, null) },
      { kind: 'queued', queue: queue(1, 60) },
      { kind: 'picture', session: session('running'), url: '/user/ada/gimp/streamspace/' },
    ]);
    expect(asked).toHaveLength(3);
    expect(asked.map(({ body }) => body)).toEqual(Array(3).fill({ app: 'gimp', open: 'a.png' }));
  });

  it('asks no more when it is given up', async () => {
    const giveUp = new AbortController();
    const { api, asked } = serve(() =>
      json({ message: 'There is no room.', queue: { position: 1, wait: null, retry_after: 10 } }, 429),
    );
    const steps = launch(api, { app: 'gimp' }, giveUp.signal);
    await steps.next();
    giveUp.abort(new Error('given up'));
    await expect(steps.next()).rejects.toThrow('given up');
    expect(asked).toHaveLength(1);
  });

  it('tells of an error page without repeating it', async () => {
    const { api } = serve(() => new Response('<html>', { status: 502, statusText: 'Bad Gateway' }));
    await expect(collect(launch(api, { app: 'gimp' }, never))).rejects.toThrow(
      'The server answered 502 Bad Gateway.',
    );
  });

  it.each<[string, Response | Error]>([
    ['ends without a verdict', events({ progress: 10, message: 'one' })],
    ['breaks', new TypeError('network error')],
  ])('looks where the session stands when the progress stream %s', async (_, first) => {
    const streams = [first, events({ progress: 100, message: '', ready: true })];
    const { api } = serve(({ method, path }) => {
      if (method === 'POST') {
        return json(session('starting'), 202);
      }
      if (path === 'sessions') {
        return json({ sessions: [session('starting')] });
      }
      const next = streams.shift();
      return next instanceof Response ? next : Promise.reject(next ?? new Error('asked too often'));
    });
    const steps = await collect(launch(api, { app: 'gimp' }, never));
    expect(steps.at(-1)?.kind).toBe('picture');
  });

  it.each([
    [3, 'picture'],
    [100, 'away'],
  ])(
    'looks for a started session again while nothing answers, %d times, but not for ever',
    async (away, end) => {
      let looks = 0;
      const { api } = serve(({ method }) => {
        if (method === 'POST') {
          return json(session('starting'), 202);
        }
        // The progress and the first looks: no network.
        if (looks++ < away) {
          throw new TypeError('Failed to fetch');
        }
        return json({ sessions: [session('running')] });
      });
      const steps = collect(launch(api, { app: 'gimp' }, never));
      steps.catch(() => undefined); // it is looked at below
      await vi.advanceTimersByTimeAsync(120_000);
      if (end === 'picture') {
        expect((await steps).map(step => step.kind)).toEqual(['picture']);
      } else {
        await expect(steps).rejects.toThrow('Failed to fetch');
        expect(looks).toBe(9);
      }
    },
  );

  it('waits for as long as the server says that the session is starting', async () => {
    let looks = 0;
    const { api } = serve(({ method, path }) => {
      if (method === 'POST') {
        return json(session('starting'), 202);
      }
      return path === 'sessions'
        ? json({ sessions: [session(++looks < 20 ? 'starting' : 'running')] })
        : events();
    });
    const steps = collect(launch(api, { app: 'gimp' }, never));
    await vi.advanceTimersByTimeAsync(120_000);
    expect((await steps).at(-1)?.kind).toBe('picture');
  });

  it('stops waiting when it is told to', async () => {
    const closed = new AbortController();
    const { api, asked } = serve(({ method }: Asked) => {
      setTimeout(() => closed.abort(), 0);
      return method === 'POST' ? json(session('starting'), 202) : events();
    });
    await expect(collect(launch(api, { app: 'gimp' }, closed.signal))).rejects.toThrow();
    expect(asked.filter(({ path }) => path.endsWith('/progress')).length).toBeLessThan(3);
  });
});

describe('attach', () => {
  it.each<[SessionState, Step['kind']]>([
    ['running', 'picture'],
    ['frozen', 'picture'],
    ['hibernating', 'asleep'],
    ['sleeping', 'asleep'],
    ['stopping', 'stopped'],
    ['stopped', 'stopped'],
    ['failed', 'stopped'],
  ])('shows a %s session as %s, and starts nothing', async (state, kind) => {
    const { api, asked } = serve(() => json({ sessions: [session('running', 'qgis'), session(state)] }));
    expect((await collect(attach(api, 'gimp', never))).map(step => step.kind)).toEqual([kind]);
    expect(asked.every(({ method }) => method === 'GET')).toBe(true);
  });

  it('shows a session that is not there as stopped', async () => {
    const { api } = serve(() => json({ sessions: [] }));
    expect(await collect(attach(api, 'gimp', never))).toEqual([{ kind: 'stopped' }]);
  });

  it.each<SessionState>(['starting', 'resuming'])('waits for a session that is %s', async state => {
    const { api } = serve(({ path }) =>
      path === 'sessions'
        ? json({ sessions: [session(state)] })
        : events({ progress: 100, message: '', ready: true }),
    );
    expect((await collect(attach(api, 'gimp', never))).map(step => step.kind)).toEqual(['picture']);
  });
});

describe('ownAddress', () => {
  const page = 'https://hub.example/user/ada/lab';

  it.each([
    ['/user/ada/gimp/streamspace/', 'https://hub.example/user/ada/gimp/streamspace/'],
    ['https://hub.example/x/', 'https://hub.example/x/'],
  ])('takes %s', (url, address) => {
    expect(ownAddress(url, page)).toBe(address);
  });

  it.each([
    'https://elsewhere.example/',
    'http://hub.example/',
    '//elsewhere.example/',
    'javascript:alert(1)',
    'data:text/html,x',
    'https://hub.example:8443/',
    'http://[',
  ])('refuses %s', url => {
    expect(ownAddress(url, page)).toBeNull();
  });
});
