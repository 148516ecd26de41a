/** Taking away the second factors of a user who has lost them, for administrators. */

import { useId, useState } from 'react';

import { Ask } from './ask';
import { useAttempt, useShared } from './shared';

export function ResetFactors() {
  const { api, strings } = useShared();
  const attempt = useAttempt();
  const heading = useId();
  const [typed, setTyped] = useState('');
  const user = typed.trim();
  return (
    <section aria-labelledby={heading}>
      <h1 id={heading}>{strings.myFactors}</h1>
      <div className="filters">
        <input
          type="search"
          placeholder={strings.user}
          aria-label={strings.resetFactorsOf}
          value={typed}
          onChange={event => setTyped(event.target.value)}
        />
        <Ask
          label={strings.resetFactors}
          text={strings.removeShort}
          question={strings.resetFactorsQuestion(user)}
          disabled={user === ''}
          onYes={() =>
            attempt(async () => {
              await api.removeFactors(user);
              setTyped('');
            })
          }
        />
      </div>
    </section>
  );
}
