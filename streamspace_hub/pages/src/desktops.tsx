/** *My desktops*: the user's sessions, the catalog, and their limits. */

import { useState } from 'react';

import { useAhead } from './ahead';
import type { App, Session } from './api';
import { Catalog } from './catalog';
import { Quota } from './quota';
import { SessionCard } from './session_card';
import { canStart, inOrder, isOpen } from './sessions';
import { useAttempt, useLoading, useShared } from './shared';
import { SharedWithYou } from './shared_with_you';
import { useSessions } from './use_sessions';
import { useWaiting, WaitingList } from './waiting';

export function Desktops() {
  const { page, api, strings } = useShared();
  const attempt = useAttempt();
  const { sessions, connected, put, drop } = useSessions(page.user);
  const { waiters, start: begin, cancel } = useWaiting();
  const [apps, setApps] = useState<App[] | null>(null);
  useLoading(async () => setApps(await api.apps()), [api]);

  const ahead = useAhead(page.user, sessions ? usage(inOrder(sessions.values())) : '');

  function start({ name: app, title }: App): void {
    const running = sessions?.get(`${page.user}/${app}`);
    if (running && !canStart(running.state)) {
      if (isOpen(running.state)) {
        location.assign(running.url);
      }
      return;
    }
    begin(app, title, async () => put(await api.start(app)));
  }

  function resume(session: Session): void {
    begin(session.name, session.title, async () => put(await api.resume(session)));
  }

  function favorite(app: App): void {
    attempt(async () => {
      await api.changeSettings(page.user, now => ({
        ...now,
        favorites: app.favorite
          ? (now.favorites ?? []).filter(name => name !== app.name)
          : [...(now.favorites ?? []), app.name],
      }));
      setApps(await api.apps());
    });
  }

  if (sessions === null || apps === null) {
    return <p className="hint">{strings.loading}</p>;
  }
  const listed = inOrder(sessions.values());
  const icons = new Map(apps.map(app => [app.name, app.icon]));
  return (
    <>
      {!connected && (
        <p className="notice" role="status">
          {strings.offline}
        </p>
      )}
      <WaitingList waiters={waiters} cancel={cancel} />
      <section aria-labelledby="sessions">
        <h1 id="sessions">{strings.sessions}</h1>
        {listed.length === 0 && <p className="hint">{strings.noSessions}</p>}
        <ul className="cards">
          {listed.map(session => (
            <SessionCard
              key={session.name}
              session={session}
              icon={icons.get(session.app)}
              among={listed.length}
              ahead={ahead.get(session.name) ?? []}
              waits={waiters.has(session.name)}
              onResume={resume}
              onChanged={put}
              onRemoved={drop}
            />
          ))}
        </ul>
      </section>
      <SharedWithYou icons={icons} />
      <Quota user={page.user} at={usage(listed)} />
      <Catalog apps={apps} sessions={sessions} waiting={waiters} onStart={start} onFavorite={favorite} />
    </>
  );
}

/** Other whenever the use of limits, or what is ahead, may be other. */
function usage(sessions: readonly Session[]): string {
  return sessions.map(({ name, app, state, memory }) => `${name}:${app}:${state}:${memory}`).join();
}
