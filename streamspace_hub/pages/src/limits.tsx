/** What a user may take, and what the sessions of each app may do, for administrators to look up. */

import { useId, useState } from 'react';

import type { App } from './api';
import { PolicyButton } from './policy';
import { Quota } from './quota';
import { useLoading, useShared } from './shared';

export function Limits() {
  const { api, strings } = useShared();
  const heading = useId();
  const [typed, setTyped] = useState('');
  const [user, setUser] = useState<string | null>(null);
  const [apps, setApps] = useState<App[]>([]);
  useLoading(async () => setApps(await api.apps()), [api]);
  return (
    <section aria-labelledby={heading}>
      <h1 id={heading}>{strings.limits}</h1>
      <form
        className="filters"
        onSubmit={event => {
          event.preventDefault();
          setUser(typed.trim() === '' ? null : typed.trim());
        }}
      >
        <input
          type="search"
          placeholder={strings.user}
          aria-label={strings.limitsOf}
          value={typed}
          onChange={event => setTyped(event.target.value)}
        />
        <button type="submit">{strings.find}</button>
      </form>
      {user !== null && <Quota key={user} user={user} at="" title={strings.quotaOfUser(user)} />}
      <ul className="policies">
        {apps.map(app => (
          <li key={app.name}>
            <img src={app.icon} alt="" /> {app.title}{' '}
            <PolicyButton app={app} {...(user === null ? {} : { user })} />
          </li>
        ))}
      </ul>
    </section>
  );
}
