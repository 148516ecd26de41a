/** What others share with the user, or with a group of theirs: to open, as what the share says. */

import { useEffect, useState } from 'react';

import type { SharedSession } from './api';
import { SessionState } from './session_card';
import { inOrder, isOpen, keyOf } from './sessions';
import { useShared } from './shared';
import { Thumbnail } from './thumbnail';

/** Until the service is asked again; it asks the hub at most every ten seconds. */
const AGAIN_MS = 15_000;

export function SharedWithYou({ icons }: { icons: ReadonlyMap<string, string> }) {
  const { strings } = useShared();
  const shared = useSharedWithYou();
  if (shared.length === 0) {
    return null;
  }
  return (
    <section aria-labelledby="shared">
      <h1 id="shared">{strings.sharedWithYou}</h1>
      <ul className="cards">
        {inOrder(shared).map(session => (
          <Card key={keyOf(session)} session={session} icon={icons.get(session.app)} among={shared.length} />
        ))}
      </ul>
    </section>
  );
}

interface Props {
  session: SharedSession;
  icon: string | undefined;
  /** Sessions in this list. */
  among: number;
}

function Card({ session, icon, among }: Props) {
  const { strings } = useShared();
  const { title, user, name, role, groups } = session;
  return (
    <li className="card">
      <Thumbnail session={session} icon={icon} among={among} shared />
      <div className="facts">
        <h2>{title}</h2>
        {name !== session.app && <span className="name">{name}</span>}
        <SessionState session={session} />
        <p className="left">
          <span>{strings.sharedBy(user, groups)}</span>
          <span title={strings.yourRoleHint[role]}>{strings.role[role]}</span>
        </p>
      </div>
      <div className="actions">
        {isOpen(session.state) && (
          <a className="button primary" href={session.url} aria-label={strings.openOf(title, user)}>
            {strings.openShort}
          </a>
        )}
      </div>
    </li>
  );
}

/** What is shared now, asked for again and again while the page is in front. */
function useSharedWithYou(): readonly SharedSession[] {
  const { page, api } = useShared();
  const [found, setFound] = useState<readonly SharedSession[]>([]);
  useEffect(() => {
    if (!page.sharedWithYou) {
      return undefined;
    }
    let ended = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function look(): Promise<void> {
      clearTimeout(timer);
      if (document.visibilityState !== 'visible') {
        return;
      }
      // What is shown stays where there is no answer.
      const now = await api.sharedWith(page.user).catch(() => null);
      if (!ended) {
        setFound(before => now ?? before);
        timer = setTimeout(() => void look(), AGAIN_MS);
      }
    }
    const turned = () => void look();
    document.addEventListener('visibilitychange', turned);
    void look();
    return () => {
      ended = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', turned);
    };
  }, [page, api]);
  return found;
}
