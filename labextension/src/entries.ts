/** What the catalog puts into JupyterLab's launcher, File > New menu and command palette. */
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { ILauncher } from '@jupyterlab/launcher';
import type { IMainMenu } from '@jupyterlab/mainmenu';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { DisposableSet } from '@lumino/disposable';
import { Menu } from '@lumino/widgets';

import { desktopsIcon } from './icons';
import type { Model } from './model';
import { CommandIDs } from './tokens';

export interface Places {
  readonly commands: CommandRegistry;
  readonly launcher: ILauncher | null;
  readonly mainMenu: IMainMenu | null;
  readonly palette: ICommandPalette | null;
}

/** JupyterLab's own sections: notebooks 0, consoles 20, the rest 100. Before 4.6 it orders ours by name. */
const AFTER_NOTEBOOKS = 10;

/** Keep one entry for each app in each place, for as long as the page lives. */
export function addEntries(places: Places, model: Model, trans: TranslationBundle): void {
  const category = trans.__('Desktop apps');
  const menu = addMenu(places, category);
  let entries = new DisposableSet();
  const renew = () => {
    entries.dispose();
    entries = new DisposableSet();
    menu?.clearItems();
    model.apps.forEach((app, rank) => {
      const item = { command: CommandIDs.launch, args: { app: app.name } };
      if (places.launcher) {
        entries.add(places.launcher.add({ ...item, category, categoryRank: AFTER_NOTEBOOKS, rank }));
      }
      if (app.installed) {
        menu?.addItem({ ...item, args: { ...item.args, plain: true } });
        if (places.palette) {
          entries.add(places.palette.addItem({ ...item, category, rank }));
        }
      }
    });
  };
  model.changed.connect(renew);
  renew();
  const { stop, freeze, hibernate, refresh } = CommandIDs;
  for (const command of [stop, freeze, hibernate, refresh]) {
    places.palette?.addItem({ command, category });
  }
}

function addMenu({ commands, mainMenu }: Places, label: string): Menu | null {
  if (!mainMenu) {
    return null;
  }
  const menu = new Menu({ commands });
  menu.title.label = label;
  menu.title.icon = desktopsIcon.bindprops({ stylesheet: 'menuItem' });
  mainMenu.fileMenu.newMenu.addGroup([{ type: 'submenu', submenu: menu }], 40);
  return menu;
}
