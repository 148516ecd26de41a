/** How long until a time, as people say it: "in 12 minutes"; and times that have passed. Pure. */

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

/** A time of the API at which something began, never later than now: clocks differ, and may be set back. */
export function past(stamp: string, now: number = Date.now()): string {
  return new Date(stamp).getTime() > now ? new Date(now).toISOString() : stamp;
}
