/** The decoding worker: writes to a video track that the page handed over, so that a busy page delays no picture. */

import { Painter } from './transports/painter';
import { trackSink } from './transports/sinks';
import type { FromWorker, ToWorker } from './transports/worker_messages';

interface WorkerScope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage: (message: FromWorker) => void;
}

const scope = self as unknown as WorkerScope;
let painter: Painter | null = null;

function open(track: WritableStream<VideoFrame>): Painter {
  const failed = (reason: string) => scope.postMessage({ type: 'failed', reason });
  return new Painter(trackSink(track, failed), {
    acknowledge: (id, queue) => scope.postMessage({ type: 'acknowledge', id, queue }),
    painted: picture => scope.postMessage({ type: 'painted', picture }),
    askKeyframe: () => scope.postMessage({ type: 'askKeyframe' }),
    failed,
  });
}

scope.onmessage = ({ data }) => {
  switch (data.type) {
    case 'open':
      painter = open(data.track);
      painter.hide(data.hidden);
      break;
    case 'configure':
      painter?.configure(data.video);
      break;
    case 'push':
      painter?.push(data.packet);
      break;
    case 'hide':
      painter?.hide(data.hidden);
      break;
    case 'close':
      painter?.close();
      painter = null;
      break;
  }
};
