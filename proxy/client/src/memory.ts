/** What this browser remembers, for each hub apart: another hub may be in another network. */

import { NO_MEMORY, type Memory } from './ladder';
import { PRESETS, type Preset } from './protocol';

/** The base path of the hub, or of the Jupyter server, that the page at `pathname` belongs to. */
export function hubOf(pathname: string): string {
  const end = (/\/user\/[^/]+\//.exec(pathname) ?? /\/streamspace\//.exec(pathname))?.index ?? 0;
  return pathname.slice(0, end + 1);
}

function key(what: string): string {
  return `streamspace.${what} ${hubOf(location.pathname)}`;
}

export function recallWebRtc(): Memory {
  try {
    const stored = JSON.parse(localStorage.getItem(key('webrtc')) ?? 'null') as Memory | null;
    const { failures, at } = stored ?? NO_MEMORY;
    // A clock that was set back must not keep WebRTC away for years.
    return Number.isFinite(failures) && at <= Date.now() ? { failures, at } : NO_MEMORY;
  } catch {
    return NO_MEMORY;
  }
}

export function rememberWebRtc(memory: Memory): void {
  localStorage.setItem(key('webrtc'), JSON.stringify(memory));
}

export function recallPreset(): Preset | null {
  const stored = localStorage.getItem(key('quality'));
  return PRESETS.find(preset => preset === stored) ?? null;
}

export function rememberPreset(preset: Preset): void {
  localStorage.setItem(key('quality'), preset);
}
