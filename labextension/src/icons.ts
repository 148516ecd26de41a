/**
 * Icons of apps and of our own things.
 *
 * An app's icon comes from an admin's catalog. It is drawn as an image inside our own SVG: an image runs no script and
 * its gradients cannot clash with those of another icon in the page.
 */
import { LabIcon } from '@jupyterlab/ui-components';

import type { App, Session } from './tokens';
import { phase } from './start';

export const desktopsIcon = new LabIcon({
  name: 'streamspace:desktops',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
    <path class="jp-icon3 jp-icon-selectable" fill="#616161" d="M6 2h14a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-1v-2h1V4H6v1H4V4a2 2
    0 0 1 2-2zM4 7h11a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-4v1h2v2H6v-2h2v-1H4a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2zm0 2v8h11V9z"/>
  </svg>`,
});

export const fullScreenIcon = new LabIcon({
  name: 'streamspace:full-screen',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
    <path class="jp-icon3" fill="#616161" d="M5 14H3v7h7v-2H5zM3 10h2V5h5V3H3zm16 9h-5v2h7v-7h-2zM14 3v2h5v5h2V3z"/>
  </svg>`,
});

export const freezeIcon = new LabIcon({
  name: 'streamspace:freeze',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
    <path class="jp-icon3" fill="#616161" d="M6 5h4v14H6zm8 0h4v14h-4z"/>
  </svg>`,
});

export const sleepIcon = new LabIcon({
  name: 'streamspace:sleep',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
    <path class="jp-icon3" fill="#616161" d="M13 3a9 9 0 1 0 8 12.5A8 8 0 0 1 13 3z"/>
  </svg>`,
});

type Look = 'plain' | 'missing' | 'live' | 'asleep';

/** The icon of a tile: dimmed where the app is not installed, with a dot where it has a session. */
export function tileIcon(app: App, session: Session | undefined): LabIcon {
  if (!app.installed) {
    return appIcon(app, 'missing');
  }
  return appIcon(app, session ? (phase(session.state) === 'asleep' ? 'asleep' : 'live') : 'plain');
}

/** The app's icon, in one of its looks. LabIcon keeps one for each name, so a changed picture needs a name of its own. */
export function appIcon(app: App, look: Look = 'plain'): LabIcon {
  const known = icons.get(`${look} ${app.icon} ${app.title}`);
  if (known) {
    return known;
  }
  const name = `streamspace:app-${app.name}-${look}-${icons.size}`;
  const icon = new LabIcon({ name, svgstr: drawing(app, look) });
  icons.set(`${look} ${app.icon} ${app.title}`, icon);
  return icon;
}

const icons = new Map<string, LabIcon>();

const DOTS: Readonly<Partial<Record<Look, string>>> = {
  live: '<circle class="streamspace-mod-live" cx="27" cy="27" r="4.5"/>',
  asleep: '<circle class="streamspace-mod-asleep" cx="27" cy="27" r="4.5"/>',
};

function drawing(app: App, look: Look): string {
  const picture = /^data:image\/(svg\+xml|png)[;,][^"<>]*$/.test(app.icon)
    ? `<image href="${app.icon.replace(/&/g, '&amp;')}" width="32" height="32"/>`
    : letter(app.title);
  const shade = look === 'missing' ? ' class="streamspace-mod-missing"' : '';
  return `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 32 32"><g${shade}>${picture}</g>${DOTS[look] ?? ''}</svg>`;
}

function letter(title: string): string {
  const first = Array.from(title.toUpperCase()).find(character => /[\p{L}\p{N}]/u.test(character)) ?? '?';
  return `<rect class="jp-icon-brand0" fill="#1976d2" x="2" y="2" width="28" height="28" rx="6"/>
    <text x="16" y="22" text-anchor="middle" font-size="17" font-family="sans-serif" fill="#fff">${first}</text>`;
}
