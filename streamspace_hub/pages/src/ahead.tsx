/** What is to come of a session that nobody uses, and how long until then. */

import { useEffect, useState } from 'react';

import type { StepAhead } from './api';
import { shownLeft } from './left';
import { shownTime, useShared } from './shared';

const LOOK_MS = 60_000;
const TICK_MS = 15_000;

/** The steps ahead of a user's sessions, by name; `at` is other whenever they may be. */
export function useAhead(user: string, at: string): ReadonlyMap<string, StepAhead[]> {
  const { api } = useShared();
  const [ahead, setAhead] = useState<ReadonlyMap<string, StepAhead[]>>(new Map());
  useEffect(() => {
    let over = false;
    async function look(): Promise<void> {
      const found = await api.ahead(user).catch(() => null);
      if (found && !over) {
        setAhead(found);
      }
    }
    const timer = setInterval(() => void (document.visibilityState === 'visible' && look()), LOOK_MS);
    void look();
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [api, user, at]);
  return ahead;
}

/** The next step, and the end where that is another. */
export function TimeLeft({ steps }: { steps: readonly StepAhead[] }) {
  const { strings, language } = useShared();
  const now = useNow();
  const [next] = steps;
  const last = steps.at(-1);
  if (!next || !last) {
    return null;
  }
  return (
    <p className="left">
      {(next === last ? [next] : [next, last]).map(one => (
        <span key={one.step} title={strings.aheadHint(one, shownTime(one.at, language))}>
          {strings.ahead[one.step](shownLeft(one.at, language, now))}
        </span>
      ))}
    </p>
  );
}

function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}
