/** What can be started: search, categories, favourites. */

import { useId, useState } from 'react';

import type { App } from './api';
import { PolicyButton } from './policy';
import { canStart, canWake, isOpen, type Sessions } from './sessions';
import { useShared } from './shared';
import type { Waiting } from './waiting';

interface Props {
  apps: readonly App[];
  sessions: Sessions;
  /** Sessions whose start waits for room, by name. */
  waiting: Waiting['waiters'];
  onStart: (app: App) => void;
  onFavorite: (app: App) => void;
}

type Category = App['categories'][number];

export function Catalog({ apps, sessions, waiting, onStart, onFavorite }: Props) {
  const { page, strings } = useShared();
  const [search, setSearch] = useState('');
  const [category, setCategory] = useState<Category | null>(null);
  const heading = useId();
  const categories = [...new Set(apps.flatMap(app => app.categories))];
  const found = apps.filter(app => isWanted(app, search, category));
  return (
    <section aria-labelledby={heading}>
      <h1 id={heading}>{strings.apps}</h1>
      <div className="filters">
        <input
          type="search"
          placeholder={strings.search}
          aria-label={strings.search}
          value={search}
          onChange={event => setSearch(event.target.value)}
        />
        <div className="chips" role="group" aria-label={strings.category}>
          {[null, ...categories].map(one => (
            <button
              key={one ?? ''}
              type="button"
              aria-pressed={one === category}
              onClick={() => setCategory(one)}
            >
              {one === null ? strings.allCategories : strings.categoryName[one]}
            </button>
          ))}
        </div>
      </div>
      {found.length === 0 && <p className="hint">{strings.noApps}</p>}
      <ul className="tiles">
        {found.map(app => {
          const session = sessions.get(`${page.user}/${app.name}`);
          const opens = session !== undefined && isOpen(session.state);
          const waiter = waiting.get(app.name);
          const busy = waiter !== undefined || (session !== undefined && !opens && !canStart(session.state));
          const says = opens
            ? strings.open
            : session && canWake(session.state)
              ? strings.wake
              : strings.start;
          return (
            <li key={app.name} className="tile">
              <button
                type="button"
                className="launch"
                disabled={busy}
                aria-label={says(app.title)}
                onClick={() => onStart(app)}
              >
                <img className="icon" src={app.icon} alt="" />
                <strong>{app.title}</strong>
                <span>{app.description}</span>
                {waiter ? (
                  <span className="state">{strings.waitsShort(waiter.place.position)}</span>
                ) : (
                  session && (
                    <span className="state" data-state={session.state}>
                      {strings.state[session.state]}
                    </span>
                  )
                )}
              </button>
              <div className="corner">
                <button
                  type="button"
                  className="plain"
                  aria-pressed={app.favorite}
                  aria-label={strings.favorite(app.title)}
                  title={strings.favorite(app.title)}
                  onClick={() => onFavorite(app)}
                >
                  {app.favorite ? '★' : '☆'}
                </button>
                <PolicyButton app={app} />
              </div>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function isWanted(app: App, search: string, category: Category | null): boolean {
  const text = `${app.name}\n${app.title}\n${app.description}`.toLocaleLowerCase();
  return (
    text.includes(search.trim().toLocaleLowerCase()) &&
    (category === null || app.categories.includes(category))
  );
}
