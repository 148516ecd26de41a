/** Everything that is on the page, made and stacked. Shows what it is told, and passes on what is clicked. */

import { fullscreenAvailable, isFullscreen, toggleFullscreen } from '../input/fullscreen';
import type { Controls } from '../controls';
import type { PageStatistics } from '../api';
import type { Preset, Transport } from '../protocol';
import { Announcement } from './announcement';
import { ClipboardPanel } from './clipboard_panel';
import { Notice } from './notice';
import { Overlay, type OverlayAction, type Situation } from './overlay';
import { QualityMenu } from './quality_menu';
import { SleepWarning } from './sleep_warning';
import { Statistics } from './statistics';
import { Toast } from './toast';
import { Toolbar } from './toolbar';

export interface PageActions {
  overlay: (action: OverlayAction) => void;
  quality: (preset: Preset) => void;
  sound: () => void;
  microphone: () => void;
  keepAwake: () => void;
  /** Null: not from this page. */
  stop: (() => void) | null;
}

export interface PageSources {
  title: string;
  stage: HTMLElement;
  controls: Controls;
  situation: () => { situation: Situation; transport: Transport | null };
  statistics: () => PageStatistics;
}

export class PageView {
  readonly toast = new Toast();
  readonly toolbar: Toolbar;
  readonly clipboard: ClipboardPanel;
  readonly quality: QualityMenu;
  readonly warning: SleepWarning;
  readonly announcement: Announcement;
  private readonly notice: Notice;
  private refreshTimer = 0;

  constructor(root: HTMLElement, { title, stage, controls, ...sources }: PageSources, actions: PageActions) {
    const focus = () => controls.focus();
    const overlay = new Overlay(actions.overlay);
    const statistics = new Statistics(sources.statistics);
    this.clipboard = new ClipboardPanel(controls.clipboard, focus);
    this.quality = new QualityMenu(actions.quality, focus);
    this.warning = new SleepWarning(title, actions.keepAwake);
    this.announcement = new Announcement(focus);
    this.toolbar = new Toolbar(
      title,
      {
        ...actions,
        // Refused, for example without a click: then the page stays as it is.
        fullscreen: () => void toggleFullscreen(root).catch(() => undefined),
        clipboard: () => this.clipboard.toggle(),
        pointerLock: () => void controls.lockPointer(),
        keyboard: () => controls.toggleKeyboard(),
        statistics: () => statistics.toggle(),
      },
      this.quality.button,
      fullscreenAvailable(),
    );
    this.notice = new Notice(root, overlay, this.toolbar, sources.situation);
    stage.append(controls.surface);
    root.append(
      stage,
      statistics.element,
      overlay.element,
      this.clipboard.element,
      this.quality.element,
      this.toast.element,
      this.announcement.element,
      this.warning.element,
      this.toolbar.element,
    );
    document.addEventListener('fullscreenchange', () => {
      this.toolbar.setFullscreen(isFullscreen());
      focus();
    });
  }

  /** The situation, or the transport, is another. Shown once what is going on is done: several of them come at once. */
  refresh(): void {
    window.clearTimeout(this.refreshTimer);
    this.refreshTimer = window.setTimeout(() => this.notice.refresh());
  }
}
