/** What every transport is to `media.ts`: something that shows a picture in an element and says how it fares. */

import type { Send, Size, Transport } from '../protocol';

/** A picture that was put on screen. */
export interface Presented {
  /** When it was captured, in microseconds on the streamer's clock; null: this transport cannot tell. */
  captureUs: number | null;
  /** When it was put on screen, on the page's clock (`performance.now()`). */
  at: number;
  /** The picture's own size; null: not known. */
  size: Size | null;
}

/** How the line has been since the last time. */
/** Of a WebRTC connection's pictures and sound, since it was made. */
export interface Packets {
  received: number;
  /** Did not come; one that came later after all is taken off again. */
  lost: number;
  /** Came by being sent again. */
  retransmitted: number;
}

export interface LineQuality {
  /** Share of packets lost, 0 to 1. */
  loss: number;
  /** Frames that came and were not shown. */
  dropped: number;
  packets: Packets;
}

export interface TransportEvents {
  send: Send;
  frame: (picture: Presented) => void;
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
  /** The page is out of sight, or seen again. */
  hide: (hidden: boolean) => void;
}
