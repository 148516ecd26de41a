/** What administrators tell all users: shown on top, written on the Admin page. */

import { useEffect, useId, useState } from 'react';

import { useAttempt, useShared } from './shared';

/** `at` is other whenever it may have changed. */
export function Announced({ at }: { at: string }) {
  const { api } = useShared();
  const attempt = useAttempt();
  const [text, setText] = useState('');
  // `attempt` is another function at each render.
  useEffect(() => attempt(async () => setText((await api.announcement()).text ?? '')), [api, at]);
  return text === '' ? null : (
    <p className="notice news" role="note">
      {text}
    </p>
  );
}

export function Announce() {
  const { api, strings } = useShared();
  const attempt = useAttempt();
  const heading = useId();
  const [text, setText] = useState('');
  const [said, setSaid] = useState(false);
  // `attempt` is another function at each render.
  useEffect(() => attempt(async () => setText((await api.announcement()).text ?? '')), [api]);

  function announce(): void {
    setSaid(false);
    attempt(async () => {
      await api.announce({ text: text.trim() });
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
          value={text}
          onChange={event => setText(event.target.value)}
        />
        <button type="submit">{strings.announce}</button>
        <span role="status">{said && strings.announced}</span>
      </form>
    </section>
  );
}
