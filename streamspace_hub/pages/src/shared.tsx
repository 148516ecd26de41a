/** What all parts of the pages share: the API, the words of the chosen language, and where errors are shown. */

import { createContext, useContext, useEffect } from 'react';

import { ApiError, type Api } from './api';
import type { Page } from './page';
import { untilThere } from './patience';
import { LANGUAGES, type Language, type Strings } from './strings';

export interface Shared {
  page: Page;
  api: Api;
  language: Language;
  strings: Strings;
  /** Show a sentence to the user; null takes it away. */
  say: (sentence: string | null) => void;
}

export const SharedContext = createContext<Shared | null>(null);

export function useShared(): Shared {
  const shared = useContext(SharedContext);
  if (!shared) {
    throw new Error('outside of SharedContext');
  }
  return shared;
}

/** Return a function that runs work and shows why it failed, if it does. */
export function useAttempt(): (work: () => Promise<unknown>) => void {
  const { say, strings } = useShared();
  return work => {
    say(null);
    work().catch((error: unknown) => {
      say(error instanceof ApiError && error.message !== '' ? error.message : strings.failed);
    });
  };
}

/** Run `load` now, and when one of `changes` is another; show why it failed, and go on while that may pass. */
export function useLoading(load: () => Promise<unknown>, changes: readonly unknown[]): void {
  const { say } = useShared();
  const attempt = useAttempt();
  useEffect(() => {
    const ended = new AbortController();
    attempt(() =>
      load().catch((error: unknown) => {
        void untilThere(load, error, ended.signal).then(there => there && say(null));
        throw error;
      }),
    );
    return () => ended.abort();
    // `load` and `attempt` are other functions at each render.
  }, changes);
}

/** A time of the API as people of that language write it: the clock, and the day unless it is today. */
export function shownTime(stamp: string, language: Language, now = new Date()): string {
  const time = new Date(stamp);
  const clock: Intl.DateTimeFormatOptions = { hour: 'numeric', minute: '2-digit' };
  const today = time.toDateString() === now.toDateString();
  const format = today ? clock : { ...clock, day: 'numeric' as const, month: 'short' as const };
  return new Intl.DateTimeFormat(localeOf(language), format).format(time);
}

/** Bytes on disk, in megabytes or gigabytes. */
export function shownSize(bytes: number, language: Language): string {
  const giga = bytes >= 1e9;
  const format = new Intl.NumberFormat(localeOf(language), {
    style: 'unit',
    unit: giga ? 'gigabyte' : 'megabyte',
    maximumFractionDigits: giga ? 1 : 0,
  });
  return format.format(bytes / (giga ? 1e9 : 1e6));
}

/** Seconds in the largest unit of which they are whole ones: 90 minutes, 2 hours. */
export function shownSpan(seconds: number, language: Language): string {
  const units = [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
    ['second', 1],
  ] as const;
  const [unit, length] = units.find(([, one]) => seconds % one === 0) ?? units[3];
  const format = new Intl.NumberFormat(localeOf(language), { style: 'unit', unit, unitDisplay: 'long' });
  return format.format(seconds / length);
}

/** As they write it where the user is: English has clocks of twelve and of twenty-four hours. */
function localeOf(language: Language): string {
  return navigator.languages.find(one => one.toLowerCase().startsWith(language)) ?? language;
}

const KEY = 'streamspace-language';

export function storedLanguage(): Language | null {
  try {
    const stored = localStorage.getItem(KEY);
    return stored !== null && stored in LANGUAGES ? (stored as Language) : null;
  } catch {
    return null; // the browser keeps nothing for us
  }
}

export function storeLanguage(language: Language): void {
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // chosen for this visit only
  }
}
