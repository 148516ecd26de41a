/** One session: its picture, what it is, and what can be done with it. */

import type { Session, Verb } from './api';
import { Ask } from './ask';
import { canFreeze, canHibernate, canRemove, canStart, canStop, canWake, isOpen } from './sessions';
import { shownSize, shownTime, useAttempt, useShared } from './shared';
import { Thumbnail } from './thumbnail';

interface Props {
  session: Session;
  icon: string | undefined;
  /** Sessions on the page. */
  among: number;
  onChanged: (session: Session) => void;
  onRemoved: (session: Session) => void;
}

export function SessionCard({ session, icon, among, onChanged, onRemoved }: Props) {
  const { strings } = useShared();
  const { title, state } = session;
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
        {isOpen(state) && (
          <a className="button primary" href={session.url} aria-label={strings.open(title)}>
            {strings.openShort}
          </a>
        )}
        <Verbs session={session} onChanged={onChanged} />
        {canRemove(state) && <Remove session={session} onRemoved={onRemoved} />}
      </div>
    </li>
  );
}

/** What can be done with a session that stays on the list. */
function Verbs({ session, onChanged }: Pick<Props, 'session' | 'onChanged'>) {
  const { api, strings } = useShared();
  const attempt = useAttempt();
  const { title, state } = session;
  const act = (verb: Verb) => () => attempt(async () => onChanged(await api[verb](session)));
  return (
    <>
      {(canWake(state) || canStart(state)) && (
        <button
          type="button"
          className={canStart(state) ? 'primary' : undefined}
          aria-label={canWake(state) ? strings.wake(title) : strings.start(title)}
          onClick={act('resume')}
        >
          {canWake(state) ? strings.wakeShort : strings.startShort}
        </button>
      )}
      {canFreeze(state) && (
        <button
          type="button"
          aria-label={strings.freeze(title)}
          title={strings.freezeHint}
          onClick={act('freeze')}
        >
          {strings.freezeShort}
        </button>
      )}
      {canHibernate(session) && (
        <button
          type="button"
          aria-label={strings.sleep(title)}
          title={strings.sleepHint}
          onClick={act('hibernate')}
        >
          {strings.sleepShort}
        </button>
      )}
      {canStop(state) && (
        <Ask
          label={strings.stop(title)}
          text={strings.stopShort}
          question={strings.stopQuestion(title)}
          onYes={act('stop')}
        />
      )}
    </>
  );
}

function Remove({ session, onRemoved }: Pick<Props, 'session' | 'onRemoved'>) {
  const { api, strings } = useShared();
  const attempt = useAttempt();
  const { title, state } = session;
  const remove = () =>
    attempt(async () => {
      await api.remove(session);
      onRemoved(session);
    });
  if (canWake(state)) {
    const question = strings.removeQuestion(title);
    return (
      <Ask label={strings.remove(title)} text={strings.removeShort} question={question} onYes={remove} />
    );
  }
  return (
    <button type="button" aria-label={strings.remove(title)} onClick={remove}>
      {strings.removeShort}
    </button>
  );
}

export function SessionState({ session }: { session: Session }) {
  const { strings, language } = useShared();
  const { state, started, last_activity: used, asleep_since: asleep, asleep_bytes: bytes } = session;
  const since = canWake(state) ? asleep : isOpen(state) && started;
  const when = since
    ? strings.since(shownTime(since, language))
    : used && strings.lastUsed(shownTime(used, language));
  return (
    <span className="state" data-state={state} title={session.why_not ?? undefined}>
      {strings.state[state]}
      {when && <small> {when}</small>}
      {state === 'sleeping' && typeof bytes === 'number' && <small>, {shownSize(bytes, language)}</small>}
    </span>
  );
}
