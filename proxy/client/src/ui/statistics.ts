/** The statistics overlay: a small table that is refreshed while it is open. */

import type { PageStatistics } from '../api';
import { strings } from '../strings';
import { el } from './dom';

export interface Figures extends PageStatistics {
  /** Bits in a second. */
  bitrate: number;
}

const REFRESH_MS = 500;

export class Statistics {
  readonly element = el('table', { class: 'ss-statistics', hidden: true, 'aria-label': strings.statistics });
  private timer = 0;

  constructor(private readonly figures: () => Figures) {}

  toggle(): void {
    this.element.hidden = !this.element.hidden;
    window.clearInterval(this.timer);
    if (!this.element.hidden) {
      this.refresh();
      this.timer = window.setInterval(() => this.refresh(), REFRESH_MS);
    }
  }

  private refresh(): void {
    this.element.replaceChildren(
      ...rows(this.figures()).map(([label, value]) =>
        el('tr', {}, el('th', { scope: 'row' }, label), el('td', {}, value)),
      ),
    );
  }
}

function rows({
  transport,
  fps,
  bitrate,
  screen,
  latency,
  roundTrip,
}: Figures): [label: string, value: string][] {
  return [
    [strings.statTransport, transport ? strings.transport(transport) : '–'],
    [strings.statFps, strings.statFpsValue(fps)],
    [strings.statRate, strings.statRateValue(bitrate)],
    [strings.statScreen, screen ? `${screen.width} × ${screen.height}` : '–'],
    [strings.statLatency, strings.milliseconds(latency)],
    [strings.statRoundTrip, strings.milliseconds(roundTrip)],
  ];
}
