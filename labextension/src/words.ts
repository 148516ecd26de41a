/** What users read about a session, through JupyterLab's translator. */
import type { TranslationBundle } from '@jupyterlab/translation';

import { phase } from './start';
import type { App, Queue, Session, SessionState } from './tokens';

export function stateLabel(state: SessionState, trans: TranslationBundle): string {
  switch (state) {
    case 'starting':
      return trans.__('Starting');
    case 'running':
      return trans.__('Running');
    case 'frozen':
      return trans.__('Frozen');
    case 'hibernating':
      return trans.__('Going to sleep');
    case 'sleeping':
      return trans.__('Asleep');
    case 'resuming':
      return trans.__('Waking up');
    case 'stopping':
      return trans.__('Stopping');
    case 'stopped':
      return trans.__('Stopped');
    case 'failed':
      return trans.__('Failed');
  }
}

export function transportLabel(transport: string, trans: TranslationBundle): string {
  switch (transport) {
    case 'webrtc':
      return 'WebRTC';
    case 'websocket':
      return 'WebSocket';
    case 'rfb':
      return trans.__('VNC (compatible)');
    case 'http':
      return trans.__('HTTP requests');
    default:
      return transport;
  }
}

/** "Running since 14:05", with the date when that was another day; "Asleep since 14:05, 412 MB". Never later than now. */
export function stateSince(session: Session, now: Date, trans: TranslationBundle): string {
  const label = stateLabel(session.state, trans);
  const { state, asleep_bytes: bytes } = session;
  const asleep = state === 'frozen' || phase(state) === 'asleep';
  const stamp = asleep ? (session.asleep_since ?? session.last_activity) : session.started;
  const time = stamp ? new Date(Math.min(new Date(stamp).getTime(), now.getTime())) : null;
  const size = state === 'sleeping' && typeof bytes === 'number' ? `, ${sizeLabel(bytes)}` : '';
  if (!time || Number.isNaN(time.getTime())) {
    return label + size;
  }
  const clock: Intl.DateTimeFormatOptions = { hour: 'numeric', minute: '2-digit' };
  const today = time.toDateString() === now.toDateString();
  const format = today ? clock : { ...clock, day: 'numeric' as const, month: 'short' as const };
  return trans.__('%1 since %2', label, new Intl.DateTimeFormat(undefined, format).format(time)) + size;
}

/** Where a start stands in the hub's queue: "Number 2 in the queue, for about 6 minutes as it goes now." */
export function placeLabel({ position, wait }: Queue, trans: TranslationBundle): string {
  if (wait === null) {
    return trans.__('The hub is full. You are number %1 in the queue.', position);
  }
  const minutes = Math.max(1, Math.round(wait / 60));
  return trans._n(
    'The hub is full. You are number %2 in the queue, for about %1 minute as it goes now.',
    'The hub is full. You are number %2 in the queue, for about %1 minutes as it goes now.',
    minutes,
    position,
  );
}

/** Bytes on disk, in megabytes or gigabytes. */
function sizeLabel(bytes: number): string {
  const giga = bytes >= 1e9;
  const unit = giga ? 'gigabyte' : 'megabyte';
  const format = new Intl.NumberFormat(undefined, {
    style: 'unit',
    unit,
    maximumFractionDigits: giga ? 1 : 0,
  });
  return format.format(bytes / (giga ? 1e9 : 1e6));
}

/** Tooltip of a tile. */
export function tileCaption(app: App, session: Session | undefined, trans: TranslationBundle): string {
  const about = app.description ? `${app.title}: ${app.description}` : app.title;
  if (!app.installed) {
    return `${about}\n${trans.__('Not installed.')} ${app.install_hint ?? ''}`.trim();
  }
  return session ? `${about}\n${stateSince(session, new Date(), trans)}` : about;
}

/** Label of a tile. */
export function tileLabel(app: App, trans: TranslationBundle): string {
  return app.installed ? app.title : trans.__('%1 (not installed)', app.title);
}
