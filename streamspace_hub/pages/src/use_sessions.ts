/** Sessions that stay up to date while the page is shown. */

import { useEffect, useState } from 'react';

import type { Session } from './api';
import { byKey, follow, keyOf, without, withSession, type Sessions } from './sessions';
import { useShared } from './shared';

export interface Live {
  /** null until the first list has come. */
  sessions: Sessions | null;
  connected: boolean;
  /** Take up what an answer has said, sooner than the event that tells it too. */
  put: (session: Session) => void;
  drop: (session: Session) => void;
}

/** Follow the sessions of `user`, or all that may be seen. */
export function useSessions(user?: string): Live {
  const { api } = useShared();
  const [sessions, setSessions] = useState<Sessions | null>(null);
  const [connected, setConnected] = useState(true);
  const put = (session: Session) => setSessions(now => withSession(now ?? new Map(), session));
  const drop = (session: Session) => setSessions(now => without(now ?? new Map(), keyOf(session)));

  useEffect(() => {
    const ended = new AbortController();
    const listener = {
      onList: (all: Session[]) => setSessions(byKey(all)),
      onSession: put,
      onRemoved: drop,
      onConnected: setConnected,
    };
    void follow(api, user === undefined ? {} : { user }, listener, ended.signal);
    return () => ended.abort();
  }, [api, user]);

  return { sessions, connected, put, drop };
}
