/** What page and decoding worker say to each other. */

import type { MediaPacket, VideoConfig } from '../protocol';
import type { Painted } from './painter';

export type ToWorker =
  | { type: 'open'; track: WritableStream<VideoFrame>; hidden: boolean }
  | { type: 'configure'; video: VideoConfig }
  /** Its buffer is handed over. */
  | { type: 'push'; packet: MediaPacket }
  | { type: 'hide'; hidden: boolean }
  | { type: 'close' };

export type FromWorker =
  | { type: 'acknowledge'; id: number; queue: number }
  | { type: 'painted'; picture: Painted }
  | { type: 'askKeyframe' }
  | { type: 'failed'; reason: string };
