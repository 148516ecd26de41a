/** Sessions in JupyterLab's own panel of running things. */
import type { IRunningSessionManagers, IRunningSessions } from '@jupyterlab/running';
import type { TranslationBundle } from '@jupyterlab/translation';

import { appIcon, desktopsIcon } from './icons';
import type { Model } from './model';
import type { SessionActions } from './panel';
import { stateLabel } from './words';

export function addRunning(
  managers: IRunningSessionManagers,
  model: Model,
  actions: SessionActions,
  trans: TranslationBundle,
): void {
  managers.add({
    name: trans.__('Desktop apps'),
    running: () =>
      model.sessions.map((session): IRunningSessions.IRunningItem => {
        const app = model.app(session.app);
        return {
          icon: () => (app ? appIcon(app) : desktopsIcon),
          label: () => session.title,
          labelTitle: () => `${session.title}: ${stateLabel(session.state, trans)}`,
          open: () => actions.open(session),
          shutdown: () => actions.stop(session),
        };
      }),
    refreshRunning: () => void model.refresh().catch(() => undefined),
    runningChanged: model.changed,
    // JupyterLab has asked before it calls this one.
    shutdownAll: () => model.sessions.forEach(({ name }) => void model.stop(name).catch(() => undefined)),
    shutdownLabel: trans.__('Stop'),
    shutdownAllLabel: trans.__('Stop all'),
    shutdownAllConfirmationText: trans.__(
      'Stop all desktop apps? Your saved files are kept. Work that is not saved is lost.',
    ),
  });
}
