import { expect, test } from 'vitest';

import type { Api, Session, State } from '../src/api';
import { ApiError } from '../src/api';
import {
  byKey,
  follow,
  inOrder,
  isOpen,
  isWanted,
  canFreeze,
  canHibernate,
  canRemove,
  canStop,
  canStart,
  canWake,
  keyOf,
  matches,
  without,
  withSession,
} from '../src/sessions';
import type { ServerEvent } from '../src/sse';

function session(name: string, state: State = 'running', user = 'ann'): Session {
  return { user, name, app: 'gimp', title: name, state, url: `/user/${user}/${name}/streamspace/` };
}

test('what runs comes first, then by title', () => {
  const all = [session('b', 'stopped'), session('c'), session('a', 'failed'), session('d', 'starting')];
  expect(inOrder(all).map(one => one.name)).toEqual(['c', 'd', 'a', 'b']);
});

test('two users may have sessions of the same name', () => {
  const all = byKey([session('a', 'running', 'ann'), session('a', 'running', 'bob')]);
  expect(without(all, 'ann/a').size).toBe(1);
  expect(withSession(all, session('a', 'stopped', 'bob')).get('bob/a')?.state).toBe('stopped');
  expect(all.get('bob/a')?.state, 'what was there is left alone').toBe('running');
});

const STATES: readonly State[] = [
  'starting',
  'running',
  'frozen',
  'hibernating',
  'sleeping',
  'resuming',
  'stopping',
  'stopped',
  'failed',
];

test('each state has its ways on', () => {
  expect(STATES.filter(isOpen)).toEqual(['running', 'frozen']);
  expect(STATES.filter(canFreeze)).toEqual(['running']);
  expect(STATES.filter(canWake)).toEqual(['frozen', 'sleeping']);
  expect(STATES.filter(canStop)).toEqual(['starting', 'running', 'frozen', 'resuming']);
  expect(STATES.filter(canStart)).toEqual(['sleeping', 'stopped', 'failed']);
  expect(STATES.filter(canRemove)).toEqual(['sleeping', 'stopped', 'failed']);
});

test('sessions are looked for by text, app, group and state together', () => {
  const everything = { search: '', app: '', group: '', state: '' } as const;
  const one = session('one', 'sleeping');
  expect(isWanted(one, [], everything)).toBe(true);
  expect(isWanted(one, ['arts'], { search: 'ONE', app: 'gimp', group: 'arts', state: 'sleeping' })).toBe(
    true,
  );
  expect(isWanted(one, ['arts'], { ...everything, search: 'two' })).toBe(false);
  expect(isWanted(one, ['arts'], { ...everything, app: 'qgis' })).toBe(false);
  expect(isWanted(one, ['arts'], { ...everything, group: 'staff' })).toBe(false);
  expect(isWanted(one, ['arts'], { ...everything, state: 'running' })).toBe(false);
});

test('only what runs, and says that its memory can be kept, is put to sleep', () => {
  expect(canHibernate({ ...session('a'), memory: true })).toBe(true);
  expect(canHibernate({ ...session('a', 'frozen'), memory: true })).toBe(true);
  expect(canHibernate({ ...session('a'), memory: false })).toBe(false);
  expect(canHibernate(session('a'))).toBe(false);
  expect(canHibernate({ ...session('a', 'sleeping'), memory: true })).toBe(false);
});

test('search looks at user, name, app and title in any case', () => {
  expect(matches(session('Paint', 'running', 'ann'), ' PAIN ')).toBe(true);
  expect(matches(session('Paint', 'running', 'ann'), 'ANN')).toBe(true);
  expect(matches(session('Paint', 'running', 'ann'), 'bob')).toBe(false);
});

test('a list is followed through a lost connection and a reset', async () => {
  const told: string[] = [];
  const ended = new AbortController();
  const streams: ServerEvent[][] = [
    [
      { kind: 'message', id: '1', data: null },
      { kind: 'session', id: '2', data: JSON.stringify(session('a')) },
      { kind: 'session', id: '3', data: JSON.stringify(session('x', 'running', 'bob')) },
    ],
    [{ kind: 'removed', id: '4', data: JSON.stringify(session('a')) }],
    [{ kind: 'reset', id: '9', data: '{}' }],
  ];
  const api = {
    sessions: () => Promise.resolve([session('old')]),
    // eslint-disable-next-line @typescript-eslint/require-await
    async *events(last: string | null) {
      told.push(`after ${last}`);
      const next = streams.shift();
      if (!next) {
        ended.abort();
        throw new ApiError(0, 'gone');
      }
      yield* next;
    },
  } as unknown as Api;
  await follow(
    api,
    { user: 'ann' },
    {
      onList: all => told.push(`list ${all.map(keyOf).join()}`),
      onSession: one => told.push(keyOf(one)),
      onRemoved: one => told.push(`no ${keyOf(one)}`),
      onConnected: () => undefined,
    },
    ended.signal,
  );
  expect(told).toEqual([
    'after null',
    'list ann/old',
    'ann/a',
    'after 3',
    'no ann/a',
    'after 4',
    'list ann/old',
    'after 9',
  ]);
});
