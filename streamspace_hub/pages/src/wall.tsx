/** All sessions at once, to look through and act on many. */

import { useEffect, useState } from 'react';

import type { App, Session, State, Verb } from './api';
import { Ask } from './ask';
import { SessionState } from './session_card';
import { canFreeze, canHibernate, canStop, canWake, inOrder, keyOf, matches } from './sessions';
import { useAttempt, useShared } from './shared';
import type { Strings } from './strings';
import { Thumbnail } from './thumbnail';
import { useSessions } from './use_sessions';

/** Requests at once when many are acted on: the hub has others to serve. */
const AT_ONCE = 4;

export function Wall() {
  const { api, strings } = useShared();
  const attempt = useAttempt();
  const { sessions, connected, put } = useSessions();
  const [apps, setApps] = useState<App[]>([]);
  const [search, setSearch] = useState('');
  const [state, setState] = useState<State | ''>('');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  // `attempt` is another function at each render.
  useEffect(() => attempt(async () => setApps(await api.apps())), [api]);
  if (sessions === null) {
    return <p className="hint">{strings.loading}</p>;
  }
  const icons = new Map(apps.map(app => [app.name, app.icon]));
  const shown = inOrder(sessions.values()).filter(
    session => matches(session, search) && (state === '' || session.state === state),
  );
  // What is hidden by a filter is not acted on.
  const selected = shown.filter(session => chosen.has(keyOf(session)));
  const stoppable = selected.filter(session => canStop(session.state));
  const verbs = [
    { text: strings.freezeSelected, fits: (one: Session) => canFreeze(one.state), verb: 'freeze' },
    { text: strings.sleepSelected, fits: canHibernate, verb: 'hibernate' },
    { text: strings.wakeSelected, fits: (one: Session) => canWake(one.state), verb: 'resume' },
  ] as const;

  function choose(session: Session, wanted: boolean): void {
    const next = new Set(chosen);
    if (wanted) {
      next.add(keyOf(session));
    } else {
      next.delete(keyOf(session));
    }
    setChosen(next);
  }

  function all(sessions: readonly Session[], verb: Verb): void {
    setChosen(new Set());
    attempt(() => inTurns(sessions, async session => put(await api[verb](session))));
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
      <div className="filters">
        <input
          type="search"
          placeholder={strings.search}
          aria-label={strings.search}
          value={search}
          onChange={event => setSearch(event.target.value)}
        />
        <StateFilter state={state} strings={strings} onChange={setState} />
        <label>
          <input
            type="checkbox"
            checked={shown.length > 0 && selected.length === shown.length}
            onChange={event => setChosen(new Set(event.target.checked ? shown.map(keyOf) : []))}
          />{' '}
          {strings.selectAll}
        </label>
        <span role="status">{selected.length > 0 && strings.selected(selected.length)}</span>
        {verbs.map(({ text, fits, verb }) => {
          const fitting = selected.filter(fits);
          return (
            <button
              key={text}
              type="button"
              disabled={fitting.length === 0}
              onClick={() => all(fitting, verb)}
            >
              {text}
            </button>
          );
        })}
        <Ask
          label={strings.stopSelected}
          text={strings.stopSelected}
          question={strings.stopManyQuestion(stoppable.length)}
          disabled={stoppable.length === 0}
          onYes={() => all(stoppable, 'stop')}
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

interface StateFilterProps {
  state: State | '';
  strings: Strings;
  onChange: (state: State | '') => void;
}

function StateFilter({ state, strings, onChange }: StateFilterProps) {
  const states = Object.keys(strings.state) as State[];
  return (
    <select
      aria-label={strings.stateLabel}
      value={state}
      onChange={event => onChange(event.target.value as State | '')}
    >
      <option value="">{strings.allStates}</option>
      {states.map(one => (
        <option key={one} value={one}>
          {strings.state[one]}
        </option>
      ))}
    </select>
  );
}

/** Do `work` for each of `all`, a few at once; the first failure is thrown when all have been tried. */
async function inTurns<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const left = [...all];
  const failures: unknown[] = [];
  async function worker(): Promise<void> {
    for (let one = left.shift(); one !== undefined; one = left.shift()) {
      await work(one).catch((error: unknown) => failures.push(error));
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (failures.length > 0) {
    throw failures[0];
  }
}
