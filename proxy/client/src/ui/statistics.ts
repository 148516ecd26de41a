/** The statistics overlay: a small table that is refreshed while it is open. */

import type { PageStatistics } from '../api';
import type { Spread } from '../meter';
import { PHASES, type Size } from '../protocol';
import { strings } from '../strings';
import { el } from './dom';

const REFRESH_MS = 500;

export class Statistics {
  readonly element = el('table', { class: 'ss-statistics', hidden: true, 'aria-label': strings.statistics });
  private timer = 0;

  constructor(private readonly figures: () => PageStatistics) {}

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

type Row = [label: string, value: string];

/** What is shown, from top to bottom. What nobody measures on this transport is left out. */
export function rows(figures: PageStatistics): Row[] {
  const { transport, codec, screen, picture, targetBitrate, captureLatency, inputLatency } = figures;
  const { dropped, freezes, freezeMs, phases, viewers, firstPicture, switches, packets } = figures;
  const measured = PHASES.filter(phase => phases[phase]);
  const scaled = picture && screen && picture.width !== screen.width;
  return [
    [strings.statTransport, transport ? strings.transport(transport) : '–'],
    ...(codec ? [[strings.statCodec, strings.codec(codec)] satisfies Row] : []),
    [strings.statScreen, size(screen)],
    ...(scaled ? [[strings.statPicture, size(picture)] satisfies Row] : []),
    [strings.statFps, strings.statFpsValue(figures.fps)],
    [strings.statRate, strings.statRateValue(figures.bitrate)],
    ...(targetBitrate ? [[strings.statTarget, strings.statRateValue(targetBitrate)] satisfies Row] : []),
    ...(captureLatency ? [[strings.statLatency, delay(captureLatency)] satisfies Row] : []),
    ...measured.map(phase => [strings.statPhase(phase), delay(phases[phase])] satisfies Row),
    [strings.statInput, inputLatency ? delay(inputLatency) : strings.milliseconds(figures.latency)],
    [strings.statRoundTrip, strings.milliseconds(figures.roundTrip)],
    ...(packets ? [[strings.statPackets, strings.statPacketsValue(packets)] satisfies Row] : []),
    [strings.statFrozen, strings.statFrozenValue(dropped, freezes, freezeMs)],
    [strings.statFirst, strings.milliseconds(firstPicture)],
    [strings.statSwitches, String(switches)],
    ...(viewers === null ? [] : [[strings.statViewers, String(viewers)] satisfies Row]),
  ];
}

function size(of: Size | null): string {
  return of ? `${of.width} × ${of.height}` : '–';
}

function delay(spread: Pick<Spread, 'p50' | 'p95'> | undefined): string {
  return spread ? strings.statSpread(spread.p50, spread.p95) : '–';
}
