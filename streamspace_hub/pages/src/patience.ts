/** What a page asks for again because the service, its database or the hub is away for a moment. */

import { ApiError } from './api';

const RETRY_MS = 2000;
const MAY_PASS: readonly number[] = [0, 429, 502, 503, 504];

/** Whether the same request may succeed in a moment; 0: there was no answer at all. */
export function mayPass(error: unknown): boolean {
  return error instanceof ApiError && MAY_PASS.includes(error.status);
}

/**
 * `load`, which has failed with `error`, again and again until it succeeds; return whether it has.
 *
 * It has not where it fails for good, or `signal` ends it.
 */
export async function untilThere(
  load: () => Promise<unknown>,
  error: unknown,
  signal: AbortSignal,
  pause = RETRY_MS,
): Promise<boolean> {
  let last = error;
  while (mayPass(last)) {
    await new Promise(resolve => setTimeout(resolve, pause));
    if (signal.aborted) {
      return false;
    }
    try {
      await load();
      return true;
    } catch (failed) {
      last = failed;
    }
  }
  return false;
}
