/** The session panel in the sidebar: what runs or sleeps, with a way to open and to stop it. */
import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import {
  LabIcon,
  ReactWidget,
  refreshIcon,
  SidePanel,
  stopIcon,
  Toolbar,
  ToolbarButton,
  UseSignal,
} from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import { Panel } from '@lumino/widgets';
import * as React from 'react';

import { appIcon, desktopsIcon, freezeIcon, sleepIcon } from './icons';
import type { Model } from './model';
import { canFreeze, canHibernate } from './start';
import type { Session, Sleep } from './tokens';
import { stateSince } from './words';

/** What the panel's buttons do. */
export interface SessionActions {
  readonly open: (session: Session) => void;
  readonly refresh: () => void;
  readonly sleep: (session: Pick<Session, 'name' | 'title'>, how: Sleep) => void;
  readonly stop: (session: Pick<Session, 'name' | 'title'>) => void;
}

export class SessionPanel extends SidePanel {
  private _watching: IDisposable | null = null;

  constructor(
    private readonly model: Model,
    actions: SessionActions,
    translator: ITranslator,
  ) {
    super({ content: new Panel(), translator });
    const trans = translator.load('streamspace');
    this.id = 'streamspace-sessions';
    this.addClass('streamspace-Sessions');
    this.title.caption = trans.__('Desktop sessions');
    this.title.icon = desktopsIcon;
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Desktop sessions'));
    const heading = ReactWidget.create(<h2>{trans.__('Desktop sessions')}</h2>);
    heading.addClass('streamspace-Sessions-heading');
    this.toolbar.addItem('heading', heading);
    this.toolbar.addItem('spacer', Toolbar.createSpacerItem());
    this.toolbar.addItem(
      'refresh',
      new ToolbarButton({ icon: refreshIcon, onClick: actions.refresh, tooltip: trans.__('Refresh') }),
    );
    const list = ReactWidget.create(
      <UseSignal signal={model.changed}>
        {() => <SessionList model={model} trans={trans} {...actions} />}
      </UseSignal>,
    );
    list.addClass('streamspace-Sessions-content');
    this.addWidget(list);
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.watch(true);
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.watch(this.isVisible);
  }

  protected override onBeforeHide(message: Message): void {
    this.watch(false);
    super.onBeforeHide(message);
  }

  protected override onBeforeDetach(message: Message): void {
    this.watch(false);
    super.onBeforeDetach(message);
  }

  private watch(visible: boolean): void {
    if (visible) {
      this._watching ??= this.model.watch();
    } else {
      this._watching?.dispose();
      this._watching = null;
    }
  }
}

interface ListProps extends SessionActions {
  readonly model: Model;
  readonly trans: TranslationBundle;
}

function SessionList(props: ListProps): React.ReactElement {
  const { model, trans } = props;
  const empty = model.sessions.length === 0 && model.error === null;
  return (
    <>
      {model.error !== null && (
        <p className="streamspace-Sessions-error" role="alert">
          {model.error}
        </p>
      )}
      {empty && (
        <p className="streamspace-Sessions-empty">
          {trans.__('Nothing is running. Start a desktop app from the launcher.')}
        </p>
      )}
      <ul>
        {model.sessions.map(session => (
          <SessionRow key={session.name} session={session} {...props} />
        ))}
      </ul>
      {model.problems.length > 0 && (
        <details className="streamspace-Sessions-problems">
          <summary>{trans.__('Apps that cannot be used')}</summary>
          {model.problems.map(problem => (
            <p key={problem}>{problem}</p>
          ))}
        </details>
      )}
    </>
  );
}

function SessionRow({
  session,
  model,
  trans,
  open,
  sleep,
  stop,
}: ListProps & { session: Session }): React.ReactElement {
  const app = model.app(session.app);
  const leaving = session.state === 'stopping' || session.state === 'hibernating';
  const opens =
    session.state === 'sleeping' ? trans.__('Wake up %1', session.title) : trans.__('Open %1', session.title);
  return (
    <li data-state={session.state}>
      <button
        type="button"
        className="streamspace-Sessions-open"
        aria-label={opens}
        title={session.why_not ? `${opens}\n${session.why_not}` : opens}
        disabled={leaving}
        onClick={() => open(session)}
      >
        <LabIcon.resolveReact
          icon={app ? appIcon(app) : desktopsIcon}
          className="streamspace-Sessions-icon"
          tag="span"
          aria-hidden="true"
        />
        <span className="streamspace-Sessions-words">
          <strong>{session.title}</strong>
          <span>{stateSince(session, new Date(), trans)}</span>
        </span>
      </button>
      {canFreeze(session) && (
        <RowButton
          icon={freezeIcon}
          label={trans.__('Freeze %1', session.title)}
          onClick={() => sleep(session, 'freeze')}
        />
      )}
      {canHibernate(session) && (
        <RowButton
          icon={sleepIcon}
          label={trans.__('Put %1 to sleep', session.title)}
          onClick={() => sleep(session, 'hibernate')}
        />
      )}
      <RowButton
        icon={stopIcon}
        label={trans.__('Stop %1', session.title)}
        disabled={leaving}
        onClick={() => stop(session)}
      />
    </li>
  );
}

interface RowButtonProps {
  readonly disabled?: boolean;
  readonly icon: LabIcon;
  readonly label: string;
  readonly onClick: () => void;
}

function RowButton({ disabled, icon, label, onClick }: RowButtonProps): React.ReactElement {
  return (
    <button
      type="button"
      className="streamspace-Sessions-act"
      aria-label={label}
      title={label}
      disabled={disabled}
      onClick={onClick}
    >
      <icon.react tag="span" stylesheet="menuItem" aria-hidden="true" />
    </button>
  );
}
