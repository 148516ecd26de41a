import { afterEach, describe, expect, it, vi } from 'vitest';

import { Model } from '../src/model';
import type { Session } from '../src/tokens';
import { app, json, serve, session } from './server';

afterEach(() => void vi.useRealTimers());

function started(answers: { sessions: Session[] }) {
  const { api, asked } = serve(({ method, path }) => {
    if (method === 'DELETE') {
      answers.sessions = [];
      return new Response(null, { status: 204 });
    }
    return path === 'apps'
      ? json({
          mode: 'here',
          apps: [app('gimp'), app('desktop', { categories: ['Desktop'] })],
          problems: ['x'],
        })
      : json({ sessions: answers.sessions });
  });
  const model = new Model(api);
  let changes = 0;
  model.changed.connect(() => void changes++);
  return { model, asked, changes: () => changes };
}

describe('Model', () => {
  it('loads the apps in their order and the sessions that are there', async () => {
    const { model } = started({ sessions: [session('running'), session('stopped', 'qgis')] });
    await model.load();
    expect(model.apps.map(({ name }) => name)).toEqual(['desktop', 'gimp']);
    expect(model.problems).toEqual(['x']);
    expect(model.sessions.map(({ name }) => name)).toEqual(['gimp']);
  });

  it('asks for the apps until they come', async () => {
    vi.useFakeTimers();
    let up = false;
    const { api } = serve(({ path }) => {
      if (!up) {
        return json({ message: 'Out to lunch.' }, 503);
      }
      return json(path === 'apps' ? { mode: 'here', apps: [app('gimp')], problems: [] } : { sessions: [] });
    });
    const model = new Model(api);
    const loading = model.load();
    await model.loaded;
    expect(model.apps).toEqual([]);
    up = true;
    await vi.advanceTimersByTimeAsync(1_000);
    await loading;
    expect(model.apps).toHaveLength(1);
    expect(model.error).toBeNull();
  });

  it('tells of changes only', async () => {
    const answers = { sessions: [session('starting')] };
    const { model, changes } = started(answers);
    await model.load();
    const before = changes();
    await model.refresh();
    expect(changes()).toBe(before);
    answers.sessions = [session('running')];
    await model.refresh();
    expect(changes()).toBe(before + 1);
  });

  it('shares one answer between requests that meet', async () => {
    const { model, asked } = started({ sessions: [] });
    await Promise.all([model.refresh(), model.refresh()]);
    expect(asked).toHaveLength(1);
  });

  it('keeps why the server could not be asked, until it can be asked again', async () => {
    let up = false;
    const { api } = serve(() => (up ? json({ sessions: [] }) : json({ message: 'Out to lunch.' }, 503)));
    const model = new Model(api);
    await expect(model.refresh()).rejects.toThrow('Out to lunch.');
    expect(model.error).toBe('Out to lunch.');
    up = true;
    await model.refresh();
    expect(model.error).toBeNull();
  });

  it('forgets a session that it has stopped', async () => {
    const { model, asked } = started({ sessions: [session('running')] });
    await model.load();
    await model.stop('gimp');
    expect(asked).toContainEqual({ method: 'DELETE', path: 'sessions/gimp', body: undefined });
    expect(model.sessions).toEqual([]);
  });

  it('asks again and again while it is watched, and not otherwise', async () => {
    vi.useFakeTimers();
    const { model, asked } = started({ sessions: [] });
    const [one, other] = [model.watch(), model.watch()];
    await vi.advanceTimersByTimeAsync(12_000);
    expect(asked.length).toBeGreaterThanOrEqual(2);
    one.dispose();
    one.dispose();
    await vi.advanceTimersByTimeAsync(6_000);
    const still = asked.length;
    expect(still).toBeGreaterThanOrEqual(3);
    other.dispose();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(asked).toHaveLength(still);
    model.dispose();
  });
});
