/**
 * A desktop tab: one session's picture, or what stands in its way.
 *
 * The picture is the session's viewer page in an iframe of this origin. It has no `sandbox`: with one, pointer lock,
 * full screen and the clipboard do not work, and a same-origin page could lift it anyway. It lives as long as the tab
 * is not moved: a moved iframe loads again, and the viewer page finds its session by itself.
 * Closing the tab leaves the session running.
 */
import { showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, type LabIcon } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import { Signal, type ISignal } from '@lumino/signaling';
import { Panel } from '@lumino/widgets';
import * as React from 'react';

import { Curtain } from './curtain';
import type { Model } from './model';
import { attach, launch, ownAddress, phase, type Step } from './start';
import type { SessionState } from './tokens';

/** What the page may use. A frame of the same origin has most of it anyway; full screen is the one it has not. */
const ALLOWED = 'autoplay; clipboard-read; clipboard-write; fullscreen; gamepad; microphone';

/** Type of the messages that the viewer page sends to the page around it. */
const STATUS = 'streamspace:status';

const BEGINNING: Step = { kind: 'progress', percent: 0, message: '' };

export interface DesktopOptions {
  readonly app: string;
  readonly icon: LabIcon;
  readonly model: Model;
  /** Name of the session, as far as it is known: the server may say another once it has started. */
  readonly name: string;
  readonly title: string;
  readonly trans: TranslationBundle;
}

export class Desktop extends Panel {
  private _name: string;
  private _step: Step = BEGINNING;
  private _transport: string | null = null;
  private _picture: HTMLIFrameElement | null = null;
  private _listed = false;
  private _waking = false;
  private _viewerState: unknown = null;
  private _under = new AbortController();
  private _watching: IDisposable | null = null;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _entered = new Signal<this, void>(this);
  private readonly _curtain: CurtainWidget;

  /** Follow what the server says of the session: it may be stopped, put to sleep or started elsewhere. */
  private readonly _compare = (model: Model): void => {
    const session = model.session(this._name);
    this._listed ||= session !== undefined;
    const where = session ? phase(session.state) : 'over';
    const { kind } = this._step;
    if (kind === 'picture' || kind === 'asleep') {
      // An answer from before the session began does not mean that it has ended.
      if (session && where === 'asleep') {
        this._show({ kind: 'asleep', session });
      } else if (where === 'over' && this._listed && model.error === null) {
        this._show({ kind: 'stopped' });
      }
    }
    if (
      (kind === 'stopped' || kind === 'given-up' || kind === 'asleep') &&
      (where === 'live' || where === 'waiting')
    ) {
      this._waking = kind === 'asleep';
      this.attach();
    }
    this._changed.emit();
  };

  constructor(readonly options: DesktopOptions) {
    super();
    this._name = options.name;
    this.addClass('streamspace-Desktop');
    this.title.label = options.title;
    this.title.caption = options.title;
    this.title.icon = options.icon;
    this._curtain = new CurtainWidget(this);
    this.addWidget(this._curtain);
    options.model.changed.connect(this._compare, this);
  }

  /** Emitted when the name, the step, the session's state or the transport has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted when the user has clicked into the picture, which JupyterLab cannot see by itself. */
  get entered(): ISignal<this, void> {
    return this._entered;
  }

  /** Name of the session. */
  get name(): string {
    return this._name;
  }

  get step(): Step {
    return this._step;
  }

  get state(): SessionState {
    switch (this._step.kind) {
      case 'progress':
      case 'queued':
        return this._waking ? 'resuming' : 'starting';
      case 'picture':
      case 'asleep':
        return this.options.model.session(this._name)?.state ?? this._step.session.state;
      case 'given-up':
        return 'stopped';
      default:
        return this._step.kind;
    }
  }

  /** The transport that the viewer page is on, or null. */
  get transport(): string | null {
    return this._picture ? this._transport : null;
  }

  /** Address of the viewer page, while there is a picture. */
  get address(): string | null {
    return this._picture?.src ?? null;
  }

  override dispose(): void {
    this._under.abort();
    super.dispose();
    Signal.clearData(this);
  }

  /** Start the app, wake it, or have it open a file (a path below the server's root). A picture stays. */
  launch(open?: string): void {
    const { app, model } = this.options;
    const session = model.session(this._name);
    this._waking = session?.state === 'sleeping';
    if (session && phase(session.state) === 'live') {
      // Nobody waits for the server to confirm what is known; should it be wrong, its answer says so soon.
      this._show({ kind: 'picture', session, url: session.url });
    } else if (!this._picture) {
      this._show(BEGINNING);
    }
    const request = open === undefined ? { app } : { app, open };
    void this._follow(signal => launch(model.api, request, signal));
  }

  /** Wait no more for room on the hub. */
  giveUp(): void {
    this._under.abort();
    this._show({ kind: 'given-up' });
  }

  /** Show the session as it is now, without starting anything. */
  attach(): void {
    void this._follow(signal => attach(this.options.model.api, this._name, signal));
  }

  fullScreen(): void {
    void this._picture?.requestFullscreen();
    this._picture?.focus();
  }

  handleEvent(event: Event): void {
    if (event.type === 'message') {
      this._heard(event as MessageEvent<unknown>);
    } else if (this._picture && document.activeElement === this._picture) {
      this._entered.emit();
    }
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    window.addEventListener('message', this);
    window.addEventListener('blur', this);
    this._watch(this.isVisible);
  }

  protected override onBeforeDetach(message: Message): void {
    window.removeEventListener('message', this);
    window.removeEventListener('blur', this);
    this._watch(false);
    super.onBeforeDetach(message);
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._watch(true);
  }

  protected override onBeforeHide(message: Message): void {
    this._watch(false);
    super.onBeforeHide(message);
  }

  protected override onActivateRequest(_: Message): void {
    (this._picture ?? this.node.querySelector('button') ?? this.node).focus();
  }

  private _watch(visible: boolean): void {
    if (visible) {
      this._watching ??= this.options.model.watch();
    } else {
      this._watching?.dispose();
      this._watching = null;
    }
  }

  private async _follow(steps: (signal: AbortSignal) => AsyncGenerator<Step>): Promise<void> {
    this._under.abort();
    const { signal } = (this._under = new AbortController());
    this._listed = false;
    try {
      for await (const step of steps(signal)) {
        if (signal.aborted) {
          return;
        }
        this._show(step);
      }
    } catch (error) {
      // Whether a picture stays that was shown before the server had answered: ask what runs now.
      await this.options.model.refresh().catch(() => undefined);
      if (signal.aborted) {
        return;
      }
      this._show({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
    }
    await this.options.model.refresh().catch(() => undefined);
    // Nothing may have changed for the model, which knew the session before this tab did.
    this._compare(this.options.model);
  }

  private _show(step: Step): void {
    const { title, trans } = this.options;
    const session = this.options.model.session(this._name);
    if (this._picture && step.kind === 'failed' && session && phase(session.state) === 'live') {
      // Asked of a running app, to open a file: that this failed is no reason to take the picture away.
      void showErrorMessage(title, step.message);
      return;
    }
    let address: string | null = null;
    if (step.kind === 'picture') {
      this._name = step.session.name;
      address = ownAddress(step.url, window.location.href);
      if (address === null) {
        step = {
          kind: 'failed',
          message: trans.__('Its address is outside of this site and was not opened.'),
        };
      }
    }
    this._step = step;
    this._setPicture(address);
    this._curtain.setHidden(address !== null);
    this._curtain.update();
    this._changed.emit();
  }

  private _setPicture(address: string | null): void {
    if (this.address === address) {
      return;
    }
    const focused = this.node.contains(document.activeElement);
    this._picture?.remove();
    this._picture = null;
    this._transport = null;
    if (address !== null) {
      this._picture = Object.assign(document.createElement('iframe'), {
        allow: ALLOWED,
        className: 'streamspace-Desktop-picture',
        src: address,
        title: this.options.title,
      });
      this.node.append(this._picture);
      if (focused) {
        this._picture.focus();
      }
    }
  }

  /** Note what the viewer page says of itself. Other pages may post messages too: those are not heard. */
  private _heard({ data, origin, source }: MessageEvent<unknown>): void {
    const own = this._picture !== null && source === this._picture.contentWindow;
    if (!own || origin !== window.location.origin || !isStatus(data)) {
      return;
    }
    this._transport = typeof data.transport === 'string' ? data.transport : null;
    if (data.state !== this._viewerState) {
      this._viewerState = data.state;
      void this.options.model.refresh().catch(() => undefined);
    }
    this._changed.emit();
  }
}

function isStatus(data: unknown): data is { state?: unknown; transport?: unknown } {
  return typeof data === 'object' && data !== null && 'type' in data && data.type === STATUS;
}

class CurtainWidget extends ReactWidget {
  constructor(private readonly desktop: Desktop) {
    super();
    this.addClass('streamspace-Desktop-curtain');
  }

  protected override render(): React.ReactElement | null {
    const { options, state, step } = this.desktop;
    const { icon, title, trans } = options;
    if (step.kind === 'picture') {
      return null;
    }
    const act = { start: () => this.desktop.launch(), giveUp: () => this.desktop.giveUp() };
    return <Curtain {...{ icon, state, step, title, trans, ...act }} />;
  }
}
