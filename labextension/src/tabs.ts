/** The desktop tabs that are open: one for each app's session, found again instead of opened twice. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Desktop } from './desktop';
import { appIcon, desktopsIcon } from './icons';
import type { Model } from './model';
import { desktopTab, type DesktopTab } from './tab';
import type { Session } from './tokens';

/** Where a new tab goes. */
export type Place = 'tab' | 'split-right';

export class Tabs {
  readonly tracker = new WidgetTracker<DesktopTab>({ namespace: 'streamspace' });
  /** Where new tabs go, from the settings. */
  place: Place = 'tab';

  constructor(
    private readonly shell: JupyterFrontEnd.IShell,
    private readonly model: Model,
    private readonly stop: (session: Pick<Session, 'name' | 'title'>) => void,
    private readonly trans: TranslationBundle,
  ) {}

  /** The tab of an app, or null. */
  find(app: string): DesktopTab | null {
    return this.tracker.find(tab => tab.content.options.app === app) ?? null;
  }

  /** The desktop in the current tab, or null. */
  get current(): Desktop | null {
    const tab = this.tracker.currentWidget;
    return tab && tab === this.shell.currentWidget ? tab.content : null;
  }

  /** Add a tab for `app` that shows nothing yet. */
  add(app: string, name: string): DesktopTab {
    const { model, trans } = this;
    const known = model.app(app);
    const icon = known ? appIcon(known) : desktopsIcon;
    const tab = desktopTab(
      { app, icon, model, name, title: known?.title ?? app, trans },
      ({ name, options }) => this.stop({ name, title: options.title }),
    );
    const { content } = tab;
    tab.id = `streamspace-${app}`;
    content.entered.connect(() => {
      if (this.shell.currentWidget !== tab) {
        this.shell.activateById(tab.id);
      }
    });
    let saved = content.name;
    content.changed.connect(() => {
      if (content.name !== saved) {
        saved = content.name;
        void this.tracker.save(tab);
      }
    });
    this.shell.add(tab, 'main', { mode: this.place === 'tab' ? 'tab-after' : this.place });
    void this.tracker.add(tab);
    return tab;
  }
}
