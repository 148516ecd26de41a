/** How often a picture is fetched. Pure. */

const SHORTEST_MS = 2000;
/** Time between two fetches of one page, however many pictures it shows. */
const APART_MS = 20;
const LONGEST_MS = 30_000;

/** Milliseconds until the next picture, given how many the page shows and how often in a row there was none. */
export function nextDelay(among: number, failures: number): number {
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, among * APART_MS) * 2 ** Math.min(failures, 10));
}
