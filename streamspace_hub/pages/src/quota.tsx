/** How much a user's sessions may take together, how much they do, and whose limit it is. */

import { useEffect, useId, useState } from 'react';

import type { QuotaLimit } from './api';
import { shownTime, useAttempt, useShared } from './shared';
import type { Language } from './strings';

/** `at` is other whenever the use may be. Where there are no limits, nothing is shown. */
export function Quota({ user, at }: { user: string; at: string }) {
  const { api, strings, language } = useShared();
  const attempt = useAttempt();
  const [limits, setLimits] = useState<QuotaLimit[]>([]);
  const heading = useId();
  // `attempt` is another function at each render.
  useEffect(() => attempt(async () => setLimits(await api.quota(user))), [api, user, at]);
  if (limits.length === 0) {
    return null;
  }
  return (
    <section aria-labelledby={heading}>
      <h1 id={heading}>{strings.quota}</h1>
      <ul className="limits">
        {limits.map(one => {
          const used = strings.quotaUsed(
            shownAmount(one.used, one, language),
            shownAmount(one.limit, one, language),
          );
          return (
            <li key={one.kind}>
              <span>{strings.quotaKind(one)}</span>
              <meter
                min={0}
                max={Math.max(one.limit, one.used, 1e-9)}
                high={0.8 * one.limit}
                value={one.used}
                aria-label={`${strings.quotaKind(one)}: ${used}`}
              />
              <span>{used}</span>
              <small>
                {strings.quotaOf(one)}
                {one.free_at && `. ${strings.freeAt(shownTime(one.free_at, language))}`}
              </small>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

export function shownAmount(amount: number, { kind }: Pick<QuotaLimit, 'kind'>, language: Language): string {
  const number = kind === 'memory' ? amount / 2 ** 30 : amount;
  const text = number.toLocaleString(language, { maximumFractionDigits: 1 });
  return kind === 'memory' ? `${text} GiB` : text;
}
