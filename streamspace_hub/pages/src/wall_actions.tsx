/** What can be done with many sessions at once; each button acts on those of the selected that it fits. */

import { useState } from 'react';

import type { Session } from './api';
import { Ask } from './ask';
import { canFreeze, canHibernate, canRemove, canStop, canWake, isOpen } from './sessions';
import { shownSpan, useAttempt, useShared } from './shared';

/** Requests at once when many are acted on: the hub has others to serve. */
const AT_ONCE = 4;
const HOUR = 3600;
const SPANS = [HOUR, 4 * HOUR, 12 * HOUR, 24 * HOUR];

interface Props {
  selected: readonly Session[];
  onBegun: () => void;
  onChanged: (session: Session) => void;
  onRemoved: (session: Session) => void;
}

export function WallActions({ selected, onBegun, onChanged, onRemoved }: Props) {
  const { api, strings } = useShared();
  const attempt = useAttempt();
  const stoppable = selected.filter(({ state }) => canStop(state));
  const removable = selected.filter(({ state }) => canRemove(state));
  const verbs = [
    { text: strings.freezeSelected, fits: (one: Session) => canFreeze(one.state), verb: 'freeze' },
    { text: strings.sleepSelected, fits: canHibernate, verb: 'hibernate' },
    { text: strings.wakeSelected, fits: (one: Session) => canWake(one.state), verb: 'resume' },
  ] as const;

  function all(sessions: readonly Session[], work: (session: Session) => Promise<void>): void {
    onBegun();
    attempt(() => inTurns(sessions, work));
  }

  return (
    <>
      {verbs.map(({ text, fits, verb }) => {
        const fitting = selected.filter(fits);
        return (
          <button
            key={text}
            type="button"
            disabled={fitting.length === 0}
            onClick={() => all(fitting, async session => onChanged(await api[verb](session)))}
          >
            {text}
          </button>
        );
      })}
      <Extend
        sessions={selected.filter(({ state }) => isOpen(state))}
        onExtend={(sessions, seconds) =>
          all(sessions, async session => onChanged(await api.extend(session, seconds)))
        }
      />
      <Ask
        label={strings.stopSelected}
        text={strings.stopSelected}
        question={strings.stopManyQuestion(stoppable.length)}
        disabled={stoppable.length === 0}
        onYes={() => all(stoppable, async session => onChanged(await api.stop(session)))}
      />
      <Ask
        label={strings.removeSelected}
        text={strings.removeSelected}
        question={strings.removeManyQuestion(removable.length)}
        disabled={removable.length === 0}
        onYes={() =>
          all(removable, async session => {
            await api.remove(session);
            onRemoved(session);
          })
        }
      />
    </>
  );
}

interface ExtendProps {
  sessions: readonly Session[];
  onExtend: (sessions: readonly Session[], seconds: number) => void;
}

/** Keep sessions awake that nobody uses. */
function Extend({ sessions, onExtend }: ExtendProps) {
  const { strings, language } = useShared();
  const [seconds, setSeconds] = useState(HOUR);
  return (
    <span className="together">
      <button type="button" disabled={sessions.length === 0} onClick={() => onExtend(sessions, seconds)}>
        {strings.extendSelected}
      </button>
      <select
        aria-label={strings.extendFor}
        value={seconds}
        onChange={event => setSeconds(Number(event.target.value))}
      >
        {SPANS.map(span => (
          <option key={span} value={span}>
            {shownSpan(span, language)}
          </option>
        ))}
      </select>
    </span>
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
