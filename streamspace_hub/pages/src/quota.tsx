/** How much a user's sessions may take together, how much they do, and whose limit it is. */

import { useId, useState } from 'react';

import type { QuotaLimit } from './api';
import { shownTime, useLoading, useShared } from './shared';
import type { Language } from './strings';

interface Props {
  user: string;
  /** Other whenever the use may be. */
  at: string;
  /** Shown also where there are no limits; without it the user's own are, where there are some. */
  title?: string;
}

export function Quota({ user, at, title }: Props) {
  const { api, strings, language } = useShared();
  const [limits, setLimits] = useState<QuotaLimit[] | null>(null);
  const heading = useId();
  useLoading(async () => setLimits(await api.quota(user)), [api, user, at]);
  if (limits === null || (limits.length === 0 && title === undefined)) {
    return null;
  }
  return (
    <section aria-labelledby={heading}>
      <h1 id={heading}>{title ?? strings.quota}</h1>
      {limits.length === 0 && <p className="hint">{strings.noLimits}</p>}
      <ul className="limits">
        {limits.map(one => {
          const used = strings.quotaUsed(
            shownAmount(one.used, one, language),
            shownAmount(one.limit, one, language),
          );
          return (
            <li key={`${one.kind} ${one.together ? one.group : ''}`}>
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
                {one.alert && `. ${strings.budgetAlert(one.alert)}`}
                {one.free_at && `. ${strings.freeAt(shownTime(one.free_at, language))}`}
              </small>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

export function shownAmount(
  amount: number,
  { kind, currency }: Pick<QuotaLimit, 'kind' | 'currency'>,
  language: Language,
): string {
  const bytes = kind === 'memory' || kind === 'storage';
  const number = bytes ? amount / 2 ** 30 : amount;
  const digits = kind === 'budget' ? 2 : 1;
  const text = number.toLocaleString(language, { maximumFractionDigits: digits });
  return bytes ? `${text} GiB` : currency ? `${text} ${currency}` : text;
}
