/** What every transport is to `media.ts`: something that shows a picture in an element and says how it fares. */

import type { Send, Transport } from '../protocol';

export interface TransportEvents {
  send: Send;
  /** A picture was put on screen. */
  frame: () => void;
  /** Bytes of video (and sound) that came in. */
  received: (bytes: number) => void;
  /** It cannot go on; `reason` is for the console and the `error` event, not for the user. */
  failed: (reason: string) => void;
}

export interface PictureTransport {
  readonly name: Transport;
  /** Where the picture is; `media.ts` places it. */
  readonly element: HTMLElement;
  start: () => void;
  /** Ends media and frees what it holds. The element keeps its last picture where it can. */
  stop: () => void;
}
