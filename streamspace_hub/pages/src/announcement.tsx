/** What administrators tell all users, and the maintenance that it is about: shown on top, written on the Admin page. */

import { useEffect, useId, useState } from 'react';

import type { Announcement } from './api';
import { shownTime, useAttempt, useShared } from './shared';

const NEWS_MS = 60_000;

/** `at` is other whenever it may have changed. */
export function Announced({ at }: { at: string }) {
  const { api, strings, language } = useShared();
  const attempt = useAttempt();
  const [news, setNews] = useState<Announcement | null>(null);
  useEffect(() => {
    const look = async () => setNews(await api.announcement());
    // Later, an error is not worth a word: the page tells of a lost connection by itself.
    const timer = setInterval(() => void look().catch(() => undefined), NEWS_MS);
    attempt(look);
    return () => clearInterval(timer);
    // `attempt` is another function at each render.
  }, [api, at]);
  if (!news || (news.text === '' && !news.maintenance)) {
    return null;
  }
  const { text, maintenance } = news;
  return (
    <p className="notice news" role="note">
      {text}
      {maintenance && (
        <small>
          {' '}
          {strings.maintenanceTime(
            shownTime(maintenance.begins, language),
            shownTime(endOf(maintenance), language),
          )}
        </small>
      )}
    </p>
  );
}

export function Announce() {
  const { api, strings } = useShared();
  const attempt = useAttempt();
  const heading = useId();
  const [text, setText] = useState('');
  const [closes, setCloses] = useState(false);
  const [begins, setBegins] = useState('');
  const [minutes, setMinutes] = useState(60);
  const [said, setSaid] = useState(false);
  // Until then, what is typed would be overwritten.
  const [known, setKnown] = useState(false);
  // `attempt` is another function at each render.
  useEffect(
    () =>
      attempt(async () => {
        const { text: now, maintenance } = await api.announcement();
        setText(now);
        setCloses(!!maintenance);
        setBegins(localTime(maintenance ? new Date(maintenance.begins) : new Date()));
        setMinutes(maintenance?.minutes ?? 60);
        setKnown(true);
      }),
    [api],
  );

  function announce(): void {
    setSaid(false);
    attempt(async () => {
      const maintenance = closes ? { begins: new Date(begins).toISOString(), minutes } : null;
      await api.announce({ text: text.trim(), maintenance });
      setSaid(true);
    });
  }

  return (
    <section aria-labelledby={heading}>
      <h1 id={heading}>{strings.announcement}</h1>
      <form
        className="filters"
        onSubmit={event => {
          event.preventDefault();
          announce();
        }}
      >
        <textarea
          aria-label={strings.announcement}
          placeholder={strings.announcementHint}
          maxLength={1000}
          rows={2}
          disabled={!known}
          value={text}
          onChange={event => setText(event.target.value)}
        />
        <label>
          <input
            type="checkbox"
            disabled={!known}
            checked={closes}
            onChange={event => setCloses(event.target.checked)}
          />{' '}
          {strings.maintenance}
        </label>
        {closes && (
          <>
            <input
              type="datetime-local"
              required
              aria-label={strings.maintenanceBegins}
              value={begins}
              onChange={event => setBegins(event.target.value)}
            />
            <label>
              <input
                type="number"
                required
                min={1}
                max={527040}
                value={minutes}
                onChange={event => setMinutes(event.target.valueAsNumber)}
              />{' '}
              {strings.minutes}
            </label>
          </>
        )}
        <button type="submit" disabled={!known}>
          {strings.announce}
        </button>
        <span role="status">{said && strings.announced}</span>
      </form>
    </section>
  );
}

function endOf({ begins, minutes }: NonNullable<Announcement['maintenance']>): string {
  return new Date(new Date(begins).getTime() + minutes * 60_000).toISOString();
}

/** A time as `datetime-local` has it: the user's own, to the minute. */
function localTime(time: Date): string {
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
