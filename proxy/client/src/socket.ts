/**
 * The viewer socket: connects, tells a dead connection from a quiet one, and reconnects for as long as the page
 * lives. Knows the framing, not what the messages mean.
 */

import {
  SUBPROTOCOL,
  decodeMedia,
  parseServerMessage,
  type ClientMessage,
  type MediaPacket,
  type ServerMessage,
} from './protocol';

export interface SocketEvents {
  message: (message: ServerMessage) => void;
  media: (packet: MediaPacket) => void;
  /** The connection is gone and a new one will be tried; `opened`: it had been up. */
  lost: (opened: boolean) => void;
}

const PING_MS = 2000;
/** Without any message for so long, the connection is dead whatever TCP believes. */
const SILENCE_MS = 6000;
/** After a change of network, an answer must come sooner. */
const PROBE_MS = 1500;
/** Input beyond this backlog is stale when it arrives: pointer motion is dropped. */
const CONGESTED_BYTES = 64 * 1024;

const RETRY_MS = [0, 200, 500, 1000, 2000, 5000] as const;

/** Milliseconds before the `attempt`-th try (0 = the first) to connect again. */
export function retryDelay(attempt: number): number {
  return RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? 0;
}

export class ViewerSocket {
  private socket: WebSocket | null = null;
  private attempt = 0;
  private retryTimer = 0;
  private heartbeatTimer = 0;
  private lastHeard = 0;
  private closed = true;

  constructor(
    private readonly url: string,
    private readonly events: SocketEvents,
  ) {
    addEventListener('online', () => this.probe());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) {
        this.probe();
      }
    });
  }

  get isOpen(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  get congested(): boolean {
    return (this.socket?.bufferedAmount ?? 0) > CONGESTED_BYTES;
  }

  open(): void {
    if (this.closed) {
      this.closed = false;
      this.connect();
    }
  }

  /** End the connection on purpose; no reconnection follows. */
  close(): void {
    this.closed = true;
    this.drop();
  }

  send(message: ClientMessage): void {
    if (this.isOpen) {
      this.socket?.send(JSON.stringify(message));
    }
  }

  sendBinary(data: ArrayBuffer): void {
    if (this.isOpen) {
      this.socket?.send(data);
    }
  }

  private connect(): void {
    const socket = new WebSocket(this.url, SUBPROTOCOL);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.lastHeard = performance.now();
      this.heartbeatTimer = window.setInterval(() => this.heartbeat(SILENCE_MS), PING_MS);
    };
    socket.onmessage = event => this.receive(event.data as string | ArrayBuffer);
    socket.onclose = () => {
      if (this.socket === socket) {
        this.drop();
        this.scheduleRetry();
        this.events.lost(opened);
      }
    };
  }

  private receive(data: string | ArrayBuffer): void {
    this.lastHeard = performance.now();
    if (typeof data === 'string') {
      const message = parseServerMessage(data);
      if (message?.type === 'hello') {
        this.attempt = 0;
      }
      if (message) {
        this.events.message(message);
      }
      return;
    }
    const packet = decodeMedia(data);
    if (packet) {
      this.events.media(packet);
    }
  }

  private heartbeat(silence: number): void {
    if (performance.now() - this.lastHeard > silence) {
      this.reconnectNow();
    } else {
      this.send({ type: 'ping', t: Math.round(performance.now()) });
    }
  }

  /** The network or the page came back: find out at once whether the connection did. */
  private probe(): void {
    if (this.closed) {
      return;
    }
    if (!this.isOpen) {
      if (this.socket === null) {
        this.reconnectNow();
      }
      return;
    }
    this.send({ type: 'ping', t: Math.round(performance.now()) });
    const asked = performance.now();
    window.setTimeout(() => {
      if (this.isOpen && this.lastHeard < asked) {
        this.reconnectNow();
      }
    }, PROBE_MS);
  }

  private reconnectNow(): void {
    const wasUp = this.isOpen;
    this.attempt = 0;
    this.drop();
    this.scheduleRetry();
    if (wasUp) {
      this.events.lost(true);
    }
  }

  private scheduleRetry(): void {
    window.clearTimeout(this.retryTimer);
    if (!this.closed) {
      this.retryTimer = window.setTimeout(() => this.connect(), retryDelay(this.attempt));
      this.attempt += 1;
    }
  }

  private drop(): void {
    window.clearTimeout(this.retryTimer);
    window.clearInterval(this.heartbeatTimer);
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }
}
