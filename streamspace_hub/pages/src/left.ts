/** How long until a time, as people say it: "in 12 minutes". Pure. */

import type { Language } from './strings';

const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const;

/** `at` is a time of the API, `now` in milliseconds since 1970. Never less than a minute. */
export function shownLeft(at: string, language: Language, now: number): string {
  const left = Math.max(60, (new Date(at).getTime() - now) / 1000);
  // Ninety minutes are not "an hour"; from two of a unit on, its halves don't matter.
  const [unit, seconds] = UNITS.find(([, size]) => left >= 2 * size) ?? UNITS[2];
  return new Intl.RelativeTimeFormat(language).format(Math.round(left / seconds), unit);
}
