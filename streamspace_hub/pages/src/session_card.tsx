/** One session: its picture, what it is, and what can be done with it. */

import type { Session } from './api';
import { Ask } from './ask';
import { canRemove, canStop, isOpen } from './sessions';
import { shownTime, useAttempt, useShared } from './shared';
import { Thumbnail } from './thumbnail';

interface Props {
  session: Session;
  icon: string | undefined;
  /** Sessions on the page. */
  among: number;
  /** undefined: it can't be started again from here. */
  onStart: (() => void) | undefined;
  onStopped: (session: Session) => void;
  onRemoved: (session: Session) => void;
}

export function SessionCard({ session, icon, among, onStart, onStopped, onRemoved }: Props) {
  const { api, strings } = useShared();
  const attempt = useAttempt();
  const { title } = session;
  return (
    <li className="card">
      <Thumbnail session={session} icon={icon} among={among} />
      <div className="facts">
        <h2>{title}</h2>
        {session.name !== session.app && <span className="name">{session.name}</span>}
        <SessionState session={session} />
        {session.message && <p className="why">{session.message}</p>}
      </div>
      <div className="actions">
        {isOpen(session.state) && (
          <a className="button primary" href={session.url} aria-label={strings.open(title)}>
            {strings.openShort}
          </a>
        )}
        {canRemove(session.state) && onStart && (
          <button type="button" className="primary" aria-label={strings.start(title)} onClick={onStart}>
            {strings.startShort}
          </button>
        )}
        {canStop(session.state) && (
          <Ask
            label={strings.stop(title)}
            text={strings.stopShort}
            question={strings.stopQuestion(title)}
            onYes={() => attempt(async () => onStopped(await api.stop(session)))}
          />
        )}
        {canRemove(session.state) && (
          <button
            type="button"
            aria-label={strings.remove(title)}
            onClick={() =>
              attempt(async () => {
                await api.remove(session);
                onRemoved(session);
              })
            }
          >
            {strings.removeShort}
          </button>
        )}
      </div>
    </li>
  );
}

export function SessionState({ session }: { session: Session }) {
  const { strings, language } = useShared();
  const { state, started, last_activity: used } = session;
  const when = isOpen(state)
    ? started && strings.since(shownTime(started, language))
    : used && strings.lastUsed(shownTime(used, language));
  return (
    <span className="state" data-state={state}>
      {strings.state[state]}
      {when && <small> {when}</small>}
    </span>
  );
}
