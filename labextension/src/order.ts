/** The order of tiles and menu entries. */
import type { App } from './tokens';

const CATEGORIES = [
  'Desktop',
  'Graphics',
  'Office',
  'Internet',
  'Science',
  'Development',
  'System',
  'Education',
  'Other',
];

/** `apps` as they are shown: what can be used first, then by category (Desktop leads), then by title. */
export function ordered(apps: readonly App[]): App[] {
  return [...apps].sort(
    (a, b) =>
      Number(b.installed) - Number(a.installed) || rank(a) - rank(b) || a.title.localeCompare(b.title),
  );
}

function rank(app: App): number {
  const place = CATEGORIES.indexOf(app.categories[0] ?? 'Other');
  return place < 0 ? CATEGORIES.length : place;
}
