/** Waiting for room on a full hub: whoever asks again keeps the place, and is let in when it is their turn. */

import { ApiError, type Queued } from './api';

/**
 * Ask until there is room; `onPlace` hears where we stand each time that there is none.
 *
 * Throws what the answer was if it is another refusal, and `signal`'s reason when that gives up the place: it is lost a
 * minute after it was asked for last.
 */
export async function untilAdmitted<T>(
  ask: () => Promise<T>,
  onPlace: (place: Queued) => void,
  signal: AbortSignal,
): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ApiError) || error.queued === null) {
        throw error;
      }
      onPlace(error.queued);
      await pause(error.queued.again * 1000, signal);
    }
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}
