/** Starts that wait for room on the hub: what stands where, and a way to give it up. */

import { useEffect, useRef, useState } from 'react';

import type { Queued } from './api';
import { untilAdmitted } from './queue';
import { useAttempt, useShared } from './shared';

interface Waiter {
  title: string;
  place: Queued;
}

export interface Waiting {
  /** Those that wait, by the session's name. */
  waiters: ReadonlyMap<string, Waiter>;
  /** Do what starts a session; while there is no room, wait for it. */
  start: (name: string, title: string, ask: () => Promise<void>) => void;
  cancel: (name: string) => void;
}

export function useWaiting(): Waiting {
  const attempt = useAttempt();
  const [waiters, setWaiters] = useState<ReadonlyMap<string, Waiter>>(new Map());
  const givenUp = useRef(new Map<string, AbortController>());
  useEffect(() => {
    const all = givenUp.current;
    return () => all.forEach(one => one.abort());
  }, []);

  function start(name: string, title: string, ask: () => Promise<void>): void {
    if (givenUp.current.has(name)) {
      return;
    }
    const giveUp = new AbortController();
    givenUp.current.set(name, giveUp);
    const placed = (place: Queued) => setWaiters(now => new Map(now).set(name, { title, place }));
    attempt(async () => {
      try {
        await untilAdmitted(ask, placed, giveUp.signal);
      } catch (error) {
        if (!giveUp.signal.aborted) {
          throw error;
        }
      } finally {
        givenUp.current.delete(name);
        setWaiters(now => new Map([...now].filter(([other]) => other !== name)));
      }
    });
  }

  return { waiters, start, cancel: name => givenUp.current.get(name)?.abort() };
}

export function WaitingList({ waiters, cancel }: Pick<Waiting, 'waiters' | 'cancel'>) {
  const { strings } = useShared();
  return (
    <div className="waiting" role="status">
      {[...waiters].map(([name, { title, place }]) => (
        <p key={name} className="notice news">
          <span>
            <strong>{strings.waits(title)}</strong> {strings.place(place)}{' '}
            <small>{strings.startsByItself}</small>
          </span>
          <button type="button" aria-label={strings.cancelStart(title)} onClick={() => cancel(name)}>
            {strings.cancel}
          </button>
        </p>
      ))}
    </div>
  );
}
