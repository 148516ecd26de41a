/** Every text that a user sees, in one place so that it can be translated. */

import type { GiveUpReason } from './ladder';
import type { MicrophoneState } from './microphone';
import type { Phase, Preset, Role, SleepStep, Transport } from './protocol';
import type { Packets } from './transports/types';

const TRANSPORT_NAMES: Record<Transport, string> = {
  webrtc: 'WebRTC',
  websocket: 'WebSocket',
  rfb: 'noVNC',
  http: 'HTTP requests',
};

const PHASE_NAMES: Record<Phase, string> = {
  capture: 'Session: capture',
  convert: 'Session: convert',
  encode: 'Session: encode',
  queue: 'Session: wait to leave',
};
const CODEC_NAMES: Record<string, string> = { vp8: 'VP8', jpeg: 'JPEG' };
const PRESET_TEXTS: Record<Preset, { name: string; hint: string }> = {
  sharp: { name: 'Sharp text', hint: 'Every letter crisp; motion may be less smooth' },
  smooth: { name: 'Smooth motion', hint: 'Video and 3D; text sharpens when it stands still' },
  low_data: { name: 'Low data', hint: 'For thin or metered lines' },
};
const MICROPHONE_TEXTS: Record<MicrophoneState, string> = {
  absent: '',
  off: 'Microphone is off: turn on',
  asking: 'Allow the microphone in the browser',
  on: 'Microphone is on, the session listens: turn off',
  refused: 'The browser refused the microphone: try again',
};

const SLEEP_TEXTS: Record<SleepStep, { what: (title: string) => string; after: string }> = {
  freeze: {
    what: title => `${title} is frozen`,
    after: 'It keeps everything, and goes on with the next input.',
  },
  hibernate: {
    what: title => `${title} goes to sleep`,
    after: 'It comes back as it was, unsaved work included.',
  },
  stop: {
    what: title => `${title} is stopped`,
    after: 'Files are kept. What is not saved is lost: save it now.',
  },
};

function within(seconds: number): string {
  return seconds >= 90
    ? `in ${Math.round(seconds / 60)} minutes`
    : `in ${count(Math.ceil(seconds), 'second', 'seconds')}`;
}

function count(n: number, one: string, many: string): string {
  return n === 1 ? `1 ${one}` : `${n} ${many}`;
}

function size(bytes: number): string {
  return bytes >= 1_048_576 ? `${(bytes / 1_048_576).toFixed(1)} MiB` : `${Math.ceil(bytes / 1024)} KiB`;
}

export const strings = {
  transport: (transport: Transport) => TRANSPORT_NAMES[transport],
  codec: (codec: string) => CODEC_NAMES[codec] ?? (codec.startsWith('avc') ? 'H.264' : codec),
  quality: 'Quality of the picture',
  preset: (preset: Preset) => PRESET_TEXTS[preset],
  microphone: (state: MicrophoneState) => MICROPHONE_TEXTS[state],
  role: (role: Role) => (role === 'viewer' ? 'View only' : ''),
  viewers: (n: number) => count(n, 'viewer', 'viewers'),

  sleepWarning: (step: SleepStep, title: string, seconds: number) =>
    `${SLEEP_TEXTS[step].what(title)} ${within(seconds)}. ${SLEEP_TEXTS[step].after}`,
  keepAwake: 'Keep awake',
  dismiss: 'Dismiss',
  frozen: (title: string) => `${title} is frozen`,
  frozenDetail:
    'Nobody has used it for a while. Move the mouse or press a key: it goes on at once, as it was.',

  connecting: 'Connecting …',
  starting: (title: string) => `${title} is starting`,
  firstPicture: 'Waiting for the first picture …',
  reconnecting: 'Connection lost',
  reconnectingDetail: 'Trying again. Nothing is lost: the session goes on without this page.',
  connected: 'Connected',
  ended: (title: string) => `${title} has ended.`,
  endedBy: (code: number | null, signal: number | null) =>
    signal !== null ? `It was ended by signal ${signal}.` : code ? `It ended with exit code ${code}.` : '',
  endedViewer: 'Whoever controls this session can start it again.',
  startAgain: 'Start again',
  stopping: 'The session is stopping',
  stopped: 'This session has been stopped.',
  stoppedDetail: 'Your files are kept. Start it again from JupyterLab or from your JupyterHub home page.',
  goHome: 'Go to JupyterHub',
  forbidden: 'You may not see this session, or you are no longer signed in.',
  forbiddenDetail:
    'Load the page again to sign in. If that does not help, ask the owner to share it with you.',
  noWebSocket: 'The network does not let the picture through.',
  noWebSocketDetail: (host: string) =>
    `WebSocket connections to ${host} are blocked, and the transport that the address asks for needs one; other requests get through. Let the page choose, or ask your administrator to let WebSockets (HTTP “Upgrade: websocket”) pass the proxy or firewall between you and ${host}.`,
  noWebSocketFallback: (host: string) =>
    `WebSocket connections to ${host} are blocked, so the picture comes by ordinary requests: everything works, motion is less smooth. Ask your administrator to let WebSockets pass.`,
  reload: 'Load again',
  sessionFailed: (title: string) => `${title} could not be started.`,
  closed: 'The session closed the connection.',

  noPicture: 'No picture can be shown in this browser.',
  giveUp: (reason: GiveUpReason, forced: Transport | null, able: boolean): string => {
    if (reason === 'forced' && forced) {
      const why = able ? 'it does not work from here' : 'this browser cannot play H.264 video here';
      return `The address asks for ${TRANSPORT_NAMES[forced]}, but ${why}. Remove “transport=${forced}” from the address to let the page choose.`;
    }
    return 'Neither WebSocket, WebRTC nor noVNC brought one. Load the page again; if that does not help, try a current Chrome, Edge or Firefox, and ask your administrator whether WebSockets pass the network.';
  },
  choose: 'Let the page choose',
  insecure:
    ' This page was loaded without encryption (http), and browsers play H.264 over WebSocket only on https pages.',
  slowFallback:
    'This browser cannot play H.264 video here, so the picture comes by noVNC: everything works, motion is less smooth.',

  unknownTransport: (name: string) =>
    `The address asks for the transport “${name}”; it can be webrtc, websocket, rfb or http. The page chooses one itself.`,

  toolbar: 'Desktop toolbar',
  showToolbar: 'Show the toolbar',
  fullscreen: 'Full screen',
  leaveFullscreen: 'Leave full screen',
  clipboard: 'Clipboard',
  pointerLock: 'Lock the mouse pointer (Esc lets go)',
  keyboard: 'On-screen keyboard',
  statistics: 'Statistics',
  stop: 'Stop the session',
  stopQuestion: (title: string) => `Stop ${title}? Work that is not saved is lost.`,
  stopRefused: 'The session could not be stopped from here. Stop it from your JupyterHub home page.',
  soundOn: 'Sound is on: mute',
  soundMuted: 'Sound is muted: turn on',
  soundWaiting: 'Click to hear the sound',
  desktopLabel: (title: string) => `${title}: keyboard and mouse go to the session. Ctrl+Alt+Shift leaves.`,

  clipboardTitle: 'Clipboard of the session',
  clipboardHint:
    'Text that was copied in the session appears here. Text that you put here can be pasted there.',
  clipboardOut: 'Text that was copied in the session appears here. Pasting into the session is turned off.',
  clipboardIn: 'Text that you put here can be pasted in the session. Copying out of it is turned off.',
  clipboardNone: 'The clipboard is turned off for this session by its administrator.',
  copyOut: 'Copy to this computer',
  readIn: 'Paste from this computer',
  sendIn: 'Put into the session',
  close: 'Close',
  copied: 'Copied.',
  sent: 'It can be pasted in the session now.',
  clipboardWaiting: 'The session copied text. Click or press a key here to have it on this computer.',
  copyRefused: 'The browser refused. Select the text and copy it with Ctrl+C.',
  readRefused:
    'The browser did not give access. Paste into the field with Ctrl+V, then put it into the session.',
  tooLarge: (bytes: number, limit: number) =>
    `The text is too large for the clipboard (${size(bytes)}; at most ${size(limit)}). Copy less at once, or move it as a file.`,

  statFps: 'Pictures',
  statFpsValue: (fps: number) => `${fps.toFixed(0)} / s`,
  statRate: 'Data',
  statRateValue: (bits: number) =>
    bits >= 1e6 ? `${(bits / 1e6).toFixed(1)} Mbit/s` : `${(bits / 1e3).toFixed(0)} kbit/s`,
  statScreen: 'Screen',
  statPicture: 'Picture',
  statCodec: 'Codec',
  statTarget: 'Data aimed at',
  statLatency: 'Screen to page',
  statPhase: (phase: Phase) => PHASE_NAMES[phase],
  statFirst: 'First picture',
  statSwitches: 'Changes of transport',
  statViewers: 'Viewers',
  statInput: 'Input to picture',
  statSpread: (p50: number, p95: number) => `${p50.toFixed(0)} ms (95 %: ${p95.toFixed(0)})`,
  statPackets: 'Packets lost · sent again',
  statPacketsValue: ({ received, lost, retransmitted }: Packets) => {
    const share = lost > 0 ? (100 * lost) / (lost + received) : 0;
    return `${lost}${share > 0 ? ` (${share.toFixed(1)} %)` : ''} · ${retransmitted}`;
  },
  statFrozen: 'Dropped · frozen',
  statFrozenValue: (dropped: number, freezes: number, ms: number) =>
    `${dropped} · ${freezes}${freezes > 0 ? ` (${(ms / 1000).toFixed(1)} s)` : ''}`,
  statRoundTrip: 'Round trip',
  statTransport: 'Transport',
  milliseconds: (ms: number | null) => (ms === null ? '–' : `${ms.toFixed(0)} ms`),
} as const;
