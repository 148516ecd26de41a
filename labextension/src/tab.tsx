/** The frame of a desktop tab: a toolbar above the desktop. */
import { MainAreaWidget } from '@jupyterlab/apputils';
import {
  launchIcon,
  ReactWidget,
  stopIcon,
  Toolbar,
  ToolbarButton,
  UseSignal,
} from '@jupyterlab/ui-components';
import * as React from 'react';

import { Desktop, type DesktopOptions } from './desktop';
import { fullScreenIcon } from './icons';
import { stateLabel, transportLabel } from './words';

export type DesktopTab = MainAreaWidget<Desktop>;

/** Make a tab with a desktop that shows nothing yet; `stop` ends its session. */
export function desktopTab(options: DesktopOptions, stop: (desktop: Desktop) => void): DesktopTab {
  const content = new Desktop(options);
  const tab = new MainAreaWidget({ content });
  const { title, trans } = options;
  const open = new ToolbarButton({
    icon: launchIcon,
    tooltip: trans.__('Open %1 in a new browser tab', title),
    onClick: () => content.address && window.open(content.address, '_blank', 'noopener'),
  });
  const full = new ToolbarButton({
    icon: fullScreenIcon,
    tooltip: trans.__('Full screen'),
    onClick: () => content.fullScreen(),
  });
  const end = new ToolbarButton({
    icon: stopIcon,
    tooltip: trans.__('Stop %1', title),
    onClick: () => stop(content),
  });
  tab.toolbar.addItem('status', status(content));
  tab.toolbar.addItem('spacer', Toolbar.createSpacerItem());
  tab.toolbar.addItem('open', open);
  tab.toolbar.addItem('full-screen', full);
  tab.toolbar.addItem('stop', end);
  const enable = () => {
    const { step } = content;
    open.enabled = full.enabled = step.kind === 'picture';
    end.enabled = ['progress', 'picture', 'asleep'].includes(step.kind);
  };
  content.changed.connect(enable);
  enable();
  return tab;
}

function status(desktop: Desktop): ReactWidget {
  const { title, trans } = desktop.options;
  const widget = ReactWidget.create(
    <UseSignal signal={desktop.changed}>
      {() => (
        <span className="streamspace-Status" data-state={desktop.state} role="status">
          <strong>{title}</strong>
          <span className="streamspace-Status-state">
            {desktop.step.kind === 'queued' ? trans.__('Waiting for room') : stateLabel(desktop.state, trans)}
          </span>
          {desktop.transport && (
            <span className="streamspace-Status-transport" title={trans.__('How the picture reaches you')}>
              {transportLabel(desktop.transport, trans)}
            </span>
          )}
        </span>
      )}
    </UseSignal>,
  );
  widget.addClass('streamspace-Status-item');
  return widget;
}
