/** The picture of a session in a list: what it shows, while somebody looks and may look; else its app's icon. */

import { useEffect, useRef, useState } from 'react';

import type { Session } from './api';
import { nextDelay, togetherDelay } from './pictures';
import { keyOf } from './sessions';
import { useShared } from './shared';

interface Props {
  session: Session;
  icon: string | undefined;
  /** Pictures on the page: the more there are, the seldomer each is fetched. */
  among: number;
  /** Whether its user shares it with who looks. */
  shared?: boolean;
}

export function Thumbnail({ session, icon, among, shared = false }: Props) {
  const { page, strings } = useShared();
  const place = useRef<HTMLDivElement>(null);
  const seen = useSeen(place);
  const may = page.pictures === 'all' || (page.pictures === 'own' && (shared || session.user === page.user));
  const picture = usePicture(session, may && seen && session.state === 'running', among);
  return (
    <div className="thumbnail" ref={place}>
      {picture !== null ? (
        <img className="picture" src={picture} alt={strings.preview(session.title)} />
      ) : (
        icon && <img className="icon" src={icon} alt="" />
      )}
    </div>
  );
}

const arrived = new Set<() => void>();

/** Show what has come in the next `delay` milliseconds at once. */
function together(show: () => void, delay: number): void {
  if (arrived.size === 0) {
    setTimeout(() => {
      const all = [...arrived];
      arrived.clear();
      all.forEach(one => one());
    }, delay);
  }
  arrived.add(show);
}

/** Whether an element is on the screen, of a tab that is in front. */
function useSeen(place: React.RefObject<HTMLElement | null>): boolean {
  const [near, setNear] = useState(false);
  const [front, setFront] = useState(document.visibilityState === 'visible');
  useEffect(() => {
    const observer = new IntersectionObserver(entries => setNear(entries.some(one => one.isIntersecting)));
    const turned = () => setFront(document.visibilityState === 'visible');
    document.addEventListener('visibilitychange', turned);
    if (place.current) {
      observer.observe(place.current);
    }
    return () => {
      observer.disconnect();
      document.removeEventListener('visibilitychange', turned);
    };
  }, [place]);
  return near && front;
}

/** The address of the newest picture; null when there is none. */
function usePicture(session: Session, wanted: boolean, among: number): string | null {
  const { api } = useShared();
  const [picture, setPicture] = useState<string | null>(null);
  const running = session.state === 'running';
  const key = keyOf(session);

  useEffect(() => {
    if (!wanted) {
      return undefined;
    }
    const ended = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function look(failures: number): Promise<void> {
      const found = await api.thumbnail(session, ended.signal).catch(() => null);
      if (ended.signal.aborted) {
        return;
      }
      if (found instanceof Blob) {
        const show = () => !ended.signal.aborted && setPicture(URL.createObjectURL(found));
        together(show, togetherDelay(among));
      }
      // Who may not look is not asked again.
      if (found !== 'forbidden') {
        const missed = found instanceof Blob ? 0 : failures + 1;
        timer = setTimeout(() => void look(missed), nextDelay(among, missed));
      }
    }
    void look(0);
    return () => {
      ended.abort();
      clearTimeout(timer);
    };
    // The session is another object at each event; what names it is the key.
  }, [api, key, wanted, among]);

  useEffect(() => () => URL.revokeObjectURL(picture ?? ''), [picture]);
  return running ? picture : null;
}
