/** One session: its picture, what it is, and what can be done with it. */

import { TimeLeft } from './ahead';
import type { Session, StepAhead, Verb } from './api';
import { Ask } from './ask';
import { past } from './left';
import { canFreeze, canHibernate, canRemove, canStart, canStop, canWake, isOpen } from './sessions';
import { ShareButton } from './share';
import { shownSize, shownTime, useAttempt, useShared } from './shared';
import { Thumbnail } from './thumbnail';

interface Props {
  session: Session;
  icon: string | undefined;
  /** Sessions on the page. */
  among: number;
  /** What is to come of it if nobody uses it. */
  ahead: readonly StepAhead[];
  /** Whether its start waits for room. */
  waits: boolean;
  /** Wake it, or start it again, as soon as there is room. */
  onResume: (session: Session) => void;
  onChanged: (session: Session) => void;
  onRemoved: (session: Session) => void;
}

export function SessionCard({ session, icon, among, ahead, waits, onResume, onChanged, onRemoved }: Props) {
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
        <TimeLeft steps={ahead} />
        <Storage session={session} />
      </div>
      <div className="actions">
        {isOpen(state) && (
          <a className="button primary" href={session.url} aria-label={strings.open(title)}>
            {strings.openShort}
          </a>
        )}
        <Verbs session={session} waits={waits} onResume={onResume} onChanged={onChanged} />
        <ShareButton session={session} />
        {canRemove(state) && <Remove session={session} onRemoved={onRemoved} />}
      </div>
    </li>
  );
}

/** What can be done with a session that stays on the list. */
function Verbs({
  session,
  waits,
  onResume,
  onChanged,
}: Pick<Props, 'session' | 'waits' | 'onResume' | 'onChanged'>) {
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
          disabled={waits}
          onClick={() => onResume(session)}
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

function Storage({ session: { storage } }: { session: Session }) {
  const { strings, language } = useShared();
  if (!storage) {
    return null;
  }
  const { used, limit } = storage;
  const said = strings.storage(
    typeof used === 'number' ? shownSize(used, language) : null,
    shownSize(limit, language),
  );
  return (
    <p className="left">
      <span>{said}</span>
      {typeof used === 'number' && (
        <meter min={0} max={Math.max(limit, used, 1)} high={0.8 * limit} value={used} aria-label={said} />
      )}
    </p>
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
    ? strings.since(shownTime(past(since), language))
    : used && strings.lastUsed(shownTime(past(used), language));
  return (
    <span className="state" data-state={state} title={session.why_not ?? undefined}>
      {strings.state[state]}
      {when && <small> {when}</small>}
      {state === 'sleeping' && typeof bytes === 'number' && <small>, {shownSize(bytes, language)}</small>}
    </span>
  );
}
