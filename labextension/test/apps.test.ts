import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { TranslationBundle } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';

import { EXTENSIONS, mimeTypes, opens } from '../src/mime';
import { ordered } from '../src/order';
import type { App } from '../src/tokens';
import { stateSince, tileCaption, tileLabel } from '../src/words';
import { app, session } from './server';

type Category = App['categories'][number];

const trans = {
  __: (text: string, ...args: string[]) => args.reduce((all, arg, i) => all.replace(`%${i + 1}`, arg), text),
} as unknown as TranslationBundle;

describe('mimeTypes', () => {
  it.each([
    ['a.PNG', 'image/png'],
    ['dir.d/drawing.svg', 'image/svg+xml'],
    ['x.blend', 'application/x-blender'],
    ['tables/x.ods', 'application/vnd.oasis.opendocument.spreadsheet'],
    ['photo.tar.jpeg', 'image/jpeg'],
  ])('knows %s', (path, type) => {
    expect(mimeTypes(path)).toContain(type);
  });

  it.each(['README', 'dir.png/README', 'x.unknown', 'x.', ''])('makes nothing up for %j', path => {
    expect(mimeTypes(path)).toEqual([]);
  });

  it('tells every type that a built-in app opens from some extension', () => {
    const folder = fileURLToPath(new URL('../../streamspace_hub/catalog/apps/', import.meta.url));
    const told = new Set(EXTENSIONS.flatMap(extension => mimeTypes(`x.${extension}`)));
    for (const file of readdirSync(folder)) {
      const listed =
        /^mime_types:\s*(\[.*\]|(?:\n\s+- .*)+)/m.exec(readFileSync(folder + file, 'utf8'))?.[1] ?? '';
      const missing = (listed.match(/[\w.+-]+\/[\w.+*-]+/g) ?? []).filter(type => !told.has(type));
      expect(missing, `MIME types of ${file}`).toEqual([]);
    }
  });

  it('keeps what is known from elsewhere', () => {
    expect(mimeTypes('x.png', ['image/x-mine', 'image/png'])).toEqual(['image/x-mine', 'image/png']);
  });
});

describe('opens', () => {
  it.each([
    [['image/png'], ['image/png'], true],
    [['image/png'], ['image/jpeg'], false],
    [['image/*'], ['image/jpeg'], true],
    [['image/*'], ['imagery/jpeg'], false],
    [[], ['image/png'], false],
    [['image/png'], [], false],
  ])('an app for %j and a file of %j: %s', (wanted, types, expected) => {
    expect(opens(app('x', { mime_types: wanted }), types)).toBe(expected);
  });
});

describe('ordered', () => {
  it('puts what can be used first, then goes by category with Desktop leading, then by title', () => {
    const apps = [
      app('qgis', { categories: ['Science'], installed: false }),
      app('odd', { categories: ['Unheard of' as Category] }),
      app('inkscape', { categories: ['Graphics'] }),
      app('gimp', { categories: ['Graphics', 'Office'] }),
      app('second', { categories: ['Desktop'], installed: false }),
      app('desktop', { categories: ['Desktop'] }),
    ];
    const names = ordered(apps).map(({ name }) => name);
    expect(names).toEqual(['desktop', 'gimp', 'inkscape', 'odd', 'second', 'qgis']);
  });
});

describe('tiles', () => {
  const missing = app('qgis', { title: 'QGIS', installed: false, install_hint: 'Run apt install qgis.' });

  it('say that an app is not installed and how to get it', () => {
    expect(tileLabel(missing, trans)).toBe('QGIS (not installed)');
    expect(tileCaption(missing, undefined, trans)).toBe('QGIS\nNot installed. Run apt install qgis.');
  });

  it('say that an app is running', () => {
    expect(tileCaption(app('gimp', { title: 'GIMP' }), session('sleeping'), trans)).toBe('GIMP\nAsleep');
  });
});

describe('stateSince', () => {
  const now = new Date('2026-03-01T15:00:00');

  it('gives the time of today, and the date too of another day', () => {
    const today = { ...session('running'), started: '2026-03-01T14:05:00' };
    const before = { ...session('running'), started: '2026-02-27T14:05:00' };
    expect(stateSince(today, now, trans)).toMatch(/^Running since \D*\d{1,2}\D05[^,]*$/);
    expect(stateSince(before, now, trans)).toMatch(/^Running since .*27.*\D05/);
  });

  it.each(['2026-03-01T15:03:00', '2027-03-01T15:00:00'])('is never later than now: %s', asleep_since => {
    const ahead = { ...session('sleeping'), asleep_since };
    expect(stateSince(ahead, now, trans)).toMatch(/^Asleep since \D*\d{1,2}\D00[^,\d]*$/);
  });

  it('counts sleep from the last activity', () => {
    const asleep = {
      ...session('sleeping'),
      started: '2026-03-01T08:00:00',
      last_activity: '2026-03-01T14:44:00',
    };
    expect(stateSince(asleep, now, trans)).toContain('44');
  });

  it.each([null, 'yesterday'])('leaves out a time that is %s', started => {
    expect(stateSince({ ...session('running'), started }, now, trans)).toBe('Running');
  });
});
