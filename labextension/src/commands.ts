/** The extension's commands. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { TranslationBundle } from '@jupyterlab/translation';
import { refreshIcon, stopIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { Widget } from '@lumino/widgets';

import { appIcon, freezeIcon, sleepIcon, tileIcon } from './icons';
import type { Model } from './model';
import { selectedFile } from './openwith';
import { canFreeze, canHibernate, phase } from './start';
import type { Tabs } from './tabs';
import { CommandIDs, type App, type Session, type Sleep } from './tokens';
import { tileCaption, tileLabel } from './words';

export interface Parts {
  readonly app: JupyterFrontEnd;
  readonly browsers: IFileBrowserFactory | null;
  readonly model: Model;
  readonly tabs: Tabs;
  readonly trans: TranslationBundle;
}

export function addCommands(parts: Parts): void {
  addLaunch(parts);
  addOpenWith(parts);
  addShow(parts);
  addStop(parts);
  addSleep(parts, 'freeze');
  addSleep(parts, 'hibernate');
  parts.app.commands.addCommand(CommandIDs.refresh, {
    label: parts.trans.__('Refresh Desktop Apps'),
    icon: refreshIcon,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: async () => {
      await parts.model.refreshCatalog();
      await parts.model.refresh();
    },
  });
}

function addLaunch(parts: Parts): void {
  const { app, model, trans } = parts;
  const known = (args: ReadonlyPartialJSONObject) => model.app(text(args.app));
  app.commands.addCommand(CommandIDs.launch, {
    label: args => {
      const entry = known(args);
      return entry ? tileLabel(entry, trans) : trans.__('Desktop App');
    },
    caption: args => {
      const entry = known(args);
      return entry ? tileCaption(entry, model.sessionOf(entry.name), trans) : '';
    },
    icon: args => {
      const entry = known(args);
      return entry && (args.plain ? appIcon(entry) : tileIcon(entry, model.sessionOf(entry.name)));
    },
    describedBy: {
      args: {
        type: 'object',
        required: ['app'],
        properties: {
          app: { type: 'string', description: trans.__('Name of the app') },
          open: { type: 'string', description: trans.__('Path of a file to open in it') },
        },
      },
    },
    execute: async args => {
      const entry = known(args);
      if (!entry) {
        throw new Error(unknownApp(text(args.app), model, trans));
      }
      return launchApp(parts, entry, args.open === undefined ? undefined : text(args.open));
    },
  });
}

/** Start `entry` or go to it. Returns a tab that is new, so that the launcher gives its place to it. */
async function launchApp(parts: Parts, entry: App, open?: string): Promise<Widget | undefined> {
  const { app, model, tabs, trans } = parts;
  const session = model.sessionOf(entry.name);
  if (!entry.installed && !session) {
    await showDialog({
      title: trans.__('%1 is not installed', entry.title),
      body: entry.install_hint ?? trans.__('Ask whoever looks after this server to install it.'),
      buttons: [Dialog.okButton({ label: trans.__('OK') })],
    });
    // It may have been installed since the list was read.
    void model.refreshCatalog().catch(() => undefined);
    return undefined;
  }
  const tab = tabs.find(entry.name);
  if (tab) {
    app.shell.activateById(tab.id);
    const { kind } = tab.content.step;
    if (open !== undefined || (kind !== 'picture' && kind !== 'progress' && kind !== 'queued')) {
      tab.content.launch(open);
    }
    return undefined;
  }
  const added = tabs.add(entry.name, session?.name ?? entry.name);
  added.content.launch(open);
  return tabs.place === 'tab' ? added : undefined;
}

function addOpenWith({ app, browsers, model, trans }: Parts): void {
  app.commands.addCommand(CommandIDs.openWith, {
    label: args => model.app(text(args.app))?.title ?? trans.__('Desktop App'),
    icon: args => {
      const entry = model.app(text(args.app));
      return entry && appIcon(entry);
    },
    describedBy: { args: { type: 'object', required: ['app'], properties: { app: { type: 'string' } } } },
    execute: args => {
      const file = selectedFile(app, browsers);
      return file === null
        ? undefined
        : app.commands.execute(CommandIDs.launch, { app: text(args.app), open: file });
    },
  });
}

function addShow({ app, model, tabs, trans }: Parts): void {
  app.commands.addCommand(CommandIDs.show, {
    label: trans.__('Show Desktop Session'),
    describedBy: {
      args: {
        type: 'object',
        required: ['app', 'name'],
        properties: { app: { type: 'string' }, name: { type: 'string' } },
      },
    },
    execute: async args => {
      const name = text(args.app);
      // A page that reloads restores its tabs before anybody has asked for the catalog.
      await model.loaded;
      const tab = tabs.find(name);
      if (tab) {
        app.shell.activateById(tab.id);
      } else {
        tabs.add(name, text(args.name)).content.attach();
      }
    },
  });
}

type Target = Pick<Session, 'name' | 'title'>;

const TARGET = {
  args: { type: 'object', properties: { name: { type: 'string' }, title: { type: 'string' } } },
} as const;

/** The session that a command is for: the one it names, or the one in the current tab. */
function targetOf(args: ReadonlyPartialJSONObject, tabs: Tabs): Target | null {
  if (args.name !== undefined) {
    return { name: text(args.name), title: text(args.title) || text(args.name) };
  }
  const desktop = tabs.current;
  return desktop && phase(desktop.state) !== 'over'
    ? { name: desktop.name, title: desktop.options.title }
    : null;
}

/** What keeps a session as it is. Nothing is lost by it, so nobody is asked. */
function addSleep({ app, model, tabs, trans }: Parts, how: Sleep): void {
  const freeze = how === 'freeze';
  const target = (args: ReadonlyPartialJSONObject) => {
    const wanted = targetOf(args, tabs);
    const session = wanted && model.session(wanted.name);
    return session && (freeze ? canFreeze(session) : canHibernate(session)) ? wanted : null;
  };
  const label = (title: string) =>
    freeze ? trans.__('Freeze %1', title) : trans.__('Put %1 to sleep', title);
  app.commands.addCommand(freeze ? CommandIDs.freeze : CommandIDs.hibernate, {
    label: args => label(target(args)?.title ?? trans.__('Desktop App')),
    icon: freeze ? freezeIcon : sleepIcon,
    isEnabled: args => target(args) !== null,
    describedBy: TARGET,
    execute: async args => {
      const session = target(args);
      if (session) {
        await model
          .sleep(session.name, how)
          .catch((error: Error) =>
            showErrorMessage(
              freeze
                ? trans.__('%1 was not frozen', session.title)
                : trans.__('%1 was not put to sleep', session.title),
              error.message,
            ),
          );
      }
    },
  });
}

function addStop({ app, model, tabs, trans }: Parts): void {
  const target = (args: ReadonlyPartialJSONObject) => targetOf(args, tabs);
  app.commands.addCommand(CommandIDs.stop, {
    label: args => {
      const session = target(args);
      return session ? trans.__('Stop %1', session.title) : trans.__('Stop Desktop App');
    },
    icon: stopIcon,
    isEnabled: args => target(args) !== null,
    describedBy: TARGET,
    execute: async args => {
      const session = target(args);
      if (!session) {
        return;
      }
      const { button } = await showDialog({
        title: trans.__('Stop %1?', session.title),
        body: trans.__('Your saved files are kept. Work that is not saved is lost.'),
        buttons: [
          Dialog.cancelButton({ label: trans.__('Cancel') }),
          Dialog.warnButton({ label: trans.__('Stop') }),
        ],
      });
      if (button.accept) {
        await model
          .stop(session.name)
          .catch((error: Error) =>
            showErrorMessage(trans.__('%1 was not stopped', session.title), error.message),
          );
      }
    },
  });
}

function unknownApp(name: string, model: Model, trans: TranslationBundle): string {
  const names = model.apps.map(app => app.name).join(', ');
  return names
    ? trans.__('There is no app "%1". Apps: %2.', name, names)
    : trans.__('There is no app "%1": the server offers none.', name);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
