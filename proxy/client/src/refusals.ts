/** What it means that the server, or the network, says no: what the user is told, and when WebSockets are blocked. */

import type { ErrorMessage, Transport } from './protocol';
import type { Reached } from './server';
import { strings } from './strings';
import type { Situation } from './ui/overlay';

/** Refusals that the user can do something about. */
const TOLD: readonly string[] = ['too_large', 'forbidden', 'too_many_viewers'];
/** So many attempts in a row are no accident. */
const BLOCKED = 2;

/** Whether the user is told of `error`; `speaking`: the microphone is on. */
export function isTold({ code, field }: ErrorMessage, speaking: boolean): boolean {
  const unheard = code === 'not_ready' && speaking;
  // A size that is refused was not asked for by the user: the page follows its window.
  return (unheard || TOLD.includes(code)) && field !== 'width' && field !== 'height';
}

/** What is said when `transport` shows the picture and is none of the good ones; null: nothing. */
export function fallbackSentence(
  transport: Transport | null,
  forced: Transport | null,
  playsOnWebSocket: boolean,
  host: string = location.host,
): string | null {
  if (forced === null && transport === 'http') {
    return strings.noWebSocketFallback(host);
  }
  return forced === null && transport === 'rfb' && !playsOnWebSocket ? strings.slowFallback : null;
}

/** Counts how often in a row the socket did not open while other requests were answered. */
export class Blockage {
  private count = 0;

  opened(): void {
    this.count = 0;
  }

  /**
   * What to say, and whether to go by requests: whoever wants a WebSocket, or what needs one, is told; everybody else
   * gets a picture without.
   */
  notOpened(reached: Reached, forced: Transport | null): { refusal: Situation['refusal']; poll: boolean } {
    this.count = reached === 'fine' ? this.count + 1 : 0;
    if (this.count < BLOCKED) {
      return { refusal: reached === 'stopped' || reached === 'forbidden' ? reached : null, poll: false };
    }
    if (forced === 'websocket' || forced === 'rfb') {
      return { refusal: 'no_websocket', poll: false };
    }
    this.count = 0;
    return { refusal: null, poll: true };
  }
}
