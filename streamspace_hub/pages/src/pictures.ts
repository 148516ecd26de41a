/** How often a picture is fetched, and when it is shown. Pure. */

const SHORTEST_MS = 2000;
/** Time between two fetches of one page, however many pictures it shows. */
const APART_MS = 20;
const LONGEST_MS = 30_000;
const TOGETHER_MS = 500;
/** How long a picture waits for others, for each that the page shows. */
const PATIENCE_MS = 5;

/** Milliseconds until the next picture, given how many the page shows and how often in a row there was none. */
export function nextDelay(among: number, failures: number): number {
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, among * APART_MS) * 2 ** Math.min(failures, 10));
}

/**
 * Milliseconds for which a picture waits to be shown with others. Many at once cost the browser little more than one:
 * each time that something changes it composes the page anew.
 */
export function togetherDelay(among: number): number {
  return Math.min(TOGETHER_MS, among * PATIENCE_MS);
}
