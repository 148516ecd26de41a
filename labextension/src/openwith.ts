/** "Open With" of the file browser: the apps that open the selected file, below JupyterLab's own viewers. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';

import { mimeTypes, opens } from './mime';
import type { Model } from './model';
import { CommandIDs } from './tokens';

/** Id of the submenu that JupyterLab's file browser makes. */
const SUBMENU = 'jp-contextmenu-open-with';

/** Path of the one selected file, relative to the server's root; null for folders, several files or other drives. */
export function selectedFile(app: JupyterFrontEnd, browsers: IFileBrowserFactory | null): string | null {
  const selected = Array.from(browsers?.tracker.currentWidget?.selectedItems() ?? []);
  const [item] = selected;
  if (!item || selected.length > 1 || item.type === 'directory') {
    return null;
  }
  const { contents } = app.serviceManager;
  // Collaborative documents live on the drive "RTC", which is the server's own disk seen another way.
  const drive = contents.driveName(item.path);
  return drive === '' || drive === 'RTC' ? contents.localPath(item.path) : null;
}

/** Add the apps to the submenu each time it opens. */
export function extendOpenWith(app: JupyterFrontEnd, browsers: IFileBrowserFactory, model: Model): void {
  // After restoring, so that JupyterLab's handler, which empties the submenu, comes first.
  void app.restored.then(() => {
    app.contextMenu.opened.connect(contextMenu => {
      const submenu = contextMenu.menu.items.find(item => item.submenu?.id === SUBMENU)?.submenu;
      const file = selectedFile(app, browsers);
      if (!submenu || file === null) {
        return;
      }
      const known = app.docRegistry.getFileTypesForPath(file).flatMap(type => type.mimeTypes);
      const types = mimeTypes(file, known);
      const able = model.apps.filter(entry => entry.installed && opens(entry, types));
      if (able.length > 0) {
        submenu.addItem({ type: 'separator' });
      }
      for (const entry of able) {
        submenu.addItem({ command: CommandIDs.openWith, args: { app: entry.name } });
      }
    });
  });
}
