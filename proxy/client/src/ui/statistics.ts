/** The statistics overlay: a small table that is refreshed while it is open. */

import { strings } from '../strings';
import { el } from './dom';

export type StatisticsRow = readonly [label: string, value: string];

const REFRESH_MS = 500;

export class Statistics {
  readonly element = el('table', { class: 'ss-statistics', hidden: true, 'aria-label': strings.statistics });
  private timer = 0;

  constructor(private readonly rows: () => StatisticsRow[]) {}

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
      ...this.rows().map(([label, value]) =>
        el('tr', {}, el('th', { scope: 'row' }, label), el('td', {}, value)),
      ),
    );
  }
}
