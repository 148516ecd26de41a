/**
 * JupyterLab extension: desktop apps as launcher tiles, desktop tabs and a session panel.
 *
 * Puts the parts together; each part is a module of its own. Everything of JupyterLab that can be missing (another
 * front end, a disabled plugin) is optional.
 */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { IMainMenu } from '@jupyterlab/mainmenu';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { ServerConnection } from '@jupyterlab/services';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator } from '@jupyterlab/translation';

import { Api, type Request } from './api';
import { addCommands } from './commands';
import { addEntries } from './entries';
import { Model } from './model';
import { extendOpenWith } from './openwith';
import { SessionPanel, type SessionActions } from './panel';
import { addRunning } from './running';
import { Tabs, type Place } from './tabs';
import { CommandIDs, PLUGIN_ID } from './tokens';

const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN_ID,
  description: 'Streamed desktop apps: launcher tiles, desktop tabs and a session panel.',
  autoStart: true,
  requires: [ITranslator],
  optional: [
    ILauncher,
    IMainMenu,
    ICommandPalette,
    ILayoutRestorer,
    IFileBrowserFactory,
    IRunningSessionManagers,
    ISettingRegistry,
  ],
  activate,
};

export default plugin;

function activate(
  app: JupyterFrontEnd,
  translator: ITranslator,
  launcher: ILauncher | null,
  mainMenu: IMainMenu | null,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null,
  browsers: IFileBrowserFactory | null,
  running: IRunningSessionManagers | null,
  settings: ISettingRegistry | null,
): void {
  const { commands, shell } = app;
  const trans = translator.load('streamspace');
  const model = new Model(new Api(serverRequest(app.serviceManager.serverSettings), tracesClicks()));
  const actions = sessionActions(app);
  const tabs = new Tabs(shell, model, actions.stop, trans);

  addCommands({ app, browsers, model, tabs, trans });
  addEntries({ commands, launcher, mainMenu, palette }, model, trans);
  const panel = new SessionPanel(model, actions, translator);
  shell.add(panel, 'left', { rank: 250, type: 'Desktop sessions' });
  if (browsers) {
    extendOpenWith(app, browsers, model);
  }
  if (running) {
    addRunning(running, model, actions, trans);
  }
  if (restorer) {
    restorer.add(panel, panel.id);
    void restorer.restore(tabs.tracker, {
      command: CommandIDs.show,
      args: ({ content }) => ({ app: content.options.app, name: content.name }),
      name: ({ content }) => content.options.app,
    });
  }
  if (settings) {
    void followSettings(settings, tabs);
  }
  void model.load();
}

/** Requests to our API, with JupyterLab's credentials. */
function serverRequest(settings: ServerConnection.ISettings): Request {
  const base = URLExt.join(settings.baseUrl, 'streamspace/api/v1/');
  return (path, init = {}) => ServerConnection.makeRequest(base + path, init, settings);
}

/** Whether the server says that a click begins a trace. */
function tracesClicks(): boolean {
  return PageConfig.getOption('streamspaceTraces') === 'true';
}

function sessionActions({ commands }: JupyterFrontEnd): SessionActions {
  return {
    open: session => void commands.execute(CommandIDs.launch, { app: session.app }),
    refresh: () => void commands.execute(CommandIDs.refresh).catch(() => undefined),
    sleep: ({ name, title }, how) =>
      void commands.execute(how === 'freeze' ? CommandIDs.freeze : CommandIDs.hibernate, { name, title }),
    stop: ({ name, title }) => void commands.execute(CommandIDs.stop, { name, title }),
  };
}

async function followSettings(registry: ISettingRegistry, tabs: Tabs): Promise<void> {
  const settings = await registry.load(PLUGIN_ID);
  const read = () => {
    tabs.place = settings.get('openIn').composite as Place;
  };
  settings.changed.connect(read);
  read();
}
