/** All sessions at once, to look through and act on many. */

import { useState } from 'react';

import type { App, Session } from './api';
import { SessionState } from './session_card';
import { inOrder, isWanted, keyOf, type Wanted } from './sessions';
import { useLoading, useShared } from './shared';
import { Thumbnail } from './thumbnail';
import { useSessions } from './use_sessions';
import { WallActions } from './wall_actions';
import { WallFilters } from './wall_filters';

const EVERYTHING: Wanted = { search: '', app: '', group: '', state: '' };

export function Wall() {
  const { api, strings } = useShared();
  const { sessions, connected, put, drop } = useSessions();
  const [apps, setApps] = useState<App[]>([]);
  const [groups, setGroups] = useState<ReadonlyMap<string, readonly string[]>>(new Map());
  const [wanted, setWanted] = useState<Wanted>(EVERYTHING);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const users = [...new Set([...(sessions?.values() ?? [])].map(({ user }) => user))].sort().join('/');
  useLoading(async () => setApps(await api.apps()), [api]);
  useLoading(async () => users !== '' && setGroups(await api.groups()), [api, users]);
  if (sessions === null) {
    return <p className="hint">{strings.loading}</p>;
  }
  const icons = new Map(apps.map(app => [app.name, app.icon]));
  const there = new Set([...sessions.values()].map(({ app }) => app));
  const shown = inOrder(sessions.values()).filter(session =>
    isWanted(session, groups.get(session.user) ?? [], wanted),
  );
  // What is hidden by a filter is not acted on.
  const selected = shown.filter(session => chosen.has(keyOf(session)));

  function choose(session: Session, chooses: boolean): void {
    const next = new Set(chosen);
    if (chooses) {
      next.add(keyOf(session));
    } else {
      next.delete(keyOf(session));
    }
    setChosen(next);
  }

  return (
    <section aria-labelledby="wall">
      <h1 id="wall">
        {strings.wall} <small>{strings.count(shown.length, sessions.size)}</small>
      </h1>
      {!connected && (
        <p className="notice" role="status">
          {strings.offline}
        </p>
      )}
      <WallFilters
        apps={apps.filter(({ name }) => there.has(name)).map(({ name, title }) => [name, title])}
        groups={[...new Set([...groups.values()].flat())].sort()}
        wanted={wanted}
        onChange={setWanted}
      />
      <div className="filters">
        <label>
          <input
            type="checkbox"
            checked={shown.length > 0 && selected.length === shown.length}
            onChange={event => setChosen(new Set(event.target.checked ? shown.map(keyOf) : []))}
          />{' '}
          {strings.selectAll}
        </label>
        <span role="status">{selected.length > 0 && strings.selected(selected.length)}</span>
        <WallActions
          selected={selected}
          onBegun={() => setChosen(new Set())}
          onChanged={put}
          onRemoved={drop}
        />
      </div>
      <ul className="wall">
        {shown.map(session => (
          <li key={keyOf(session)} className="card">
            <Thumbnail session={session} icon={icons.get(session.app)} among={shown.length} />
            <div className="facts">
              <label>
                <input
                  type="checkbox"
                  checked={chosen.has(keyOf(session))}
                  aria-label={strings.selectOne(session)}
                  onChange={event => choose(session, event.target.checked)}
                />{' '}
                <strong>{session.user}</strong>
              </label>
              <span>
                {session.name === session.app ? session.title : `${session.title} (${session.name})`}
              </span>
              <SessionState session={session} />
              {session.message && <p className="why">{session.message}</p>}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
