/** Sessions as the pages hold them: by key, brought up to date by events. Pure, but for `follow`. */

import type { Api, Session, State } from './api';

export type Sessions = ReadonlyMap<string, Session>;

const RETRY_MS = 2000;
const RESTING: readonly State[] = ['stopped', 'failed', 'sleeping'];

export function keyOf(session: Session): string {
  return `${session.user}/${session.name}`;
}

export function byKey(sessions: readonly Session[]): Sessions {
  return new Map(sessions.map(session => [keyOf(session), session]));
}

export function withSession(sessions: Sessions, session: Session): Sessions {
  return new Map(sessions).set(keyOf(session), session);
}

export function without(sessions: Sessions, key: string): Sessions {
  const left = new Map(sessions);
  left.delete(key);
  return left;
}

/** Those that run first, each group in the order of titles. */
export function inOrder<T extends Session>(sessions: Iterable<T>): T[] {
  const rank = (one: Session) => (RESTING.includes(one.state) ? 1 : 0);
  return [...sessions].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      a.title.localeCompare(b.title) ||
      a.user.localeCompare(b.user) ||
      a.name.localeCompare(b.name),
  );
}

/** Whether there is something to look at. */
export function isOpen(state: State): boolean {
  return state === 'running' || state === 'frozen';
}

export function canStop(state: State): boolean {
  return !RESTING.includes(state) && state !== 'stopping' && state !== 'hibernating';
}

export function canRemove(state: State): boolean {
  return RESTING.includes(state);
}

/** Whether a click on it brings it back. */
export function canStart(state: State): boolean {
  return RESTING.includes(state);
}

/** Whether it is there as it was left, and has only to be woken. */
export function canWake(state: State): boolean {
  return state === 'frozen' || state === 'sleeping';
}

/** Whether its memory can be put on disk. */
export function canHibernate({ state, memory }: Session): boolean {
  return isOpen(state) && memory === true;
}

export function canFreeze(state: State): boolean {
  return state === 'running';
}

/** Which sessions are looked for; what is empty leaves all. */
export interface Wanted {
  search: string;
  app: string;
  group: string;
  state: State | '';
}

/** Whether a session, whose user is in `groups`, is one that is looked for. */
export function isWanted(session: Session, groups: readonly string[], wanted: Wanted): boolean {
  return (
    matches(session, wanted.search) &&
    (wanted.app === '' || session.app === wanted.app) &&
    (wanted.group === '' || groups.includes(wanted.group)) &&
    (wanted.state === '' || session.state === wanted.state)
  );
}

export function matches(session: Session, search: string): boolean {
  const text = `${session.user}\n${session.name}\n${session.app}\n${session.title}`.toLocaleLowerCase();
  return text.includes(search.trim().toLocaleLowerCase());
}

export interface Listener {
  /** The list as it is now. */
  onList(sessions: Session[]): void;
  onSession(session: Session): void;
  onRemoved(session: Session): void;
  /** Whether what is shown is up to date. */
  onConnected(connected: boolean): void;
}

/** List sessions and follow their changes until `signal` ends it, through restarts of the service. */
export async function follow(
  api: Api,
  filter: { user?: string },
  listener: Listener,
  signal: AbortSignal,
): Promise<void> {
  let last: string | null = null;
  while (!signal.aborted) {
    try {
      for await (const event of api.events(last, signal)) {
        if (last === null || event.kind === 'reset') {
          // Only now: what changes from here on is told.
          listener.onList(await api.sessions(filter));
        }
        last = event.id ?? last;
        tell(event.kind, event.data, filter, listener);
        listener.onConnected(true);
      }
    } catch {
      if (!signal.aborted) {
        listener.onConnected(false);
        await new Promise(resolve => setTimeout(resolve, RETRY_MS));
      }
    }
  }
}

function tell(kind: string, data: string | null, filter: { user?: string }, listener: Listener): void {
  if (data === null || (kind !== 'session' && kind !== 'removed')) {
    return;
  }
  const session = JSON.parse(data) as Session;
  if (filter.user !== undefined && filter.user !== session.user) {
    return;
  }
  if (kind === 'session') {
    listener.onSession(session);
  } else {
    listener.onRemoved(session);
  }
}
