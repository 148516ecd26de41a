/**
 * The viewer socket: connects, tells a dead connection from a quiet one, and reconnects for as long as the page
 * lives. Knows the framing, not what the messages mean.
 */

import { PolledSocket, type Socket } from './polled_socket';
import {
  SUBPROTOCOL,
  decodeMedia,
  parseServerMessage,
  type ClientMessage,
  type MediaPacket,
  type ServerMessage,
} from './protocol';

export interface Addresses {
  socket: string;
  /** Where the same is had by requests, and what the server wants to see in them. */
  requests: string;
  xsrf: string;
  /** By requests only. */
  polled: boolean;
}

export interface SocketEvents {
  message: (message: ServerMessage) => void;
  media: (packet: MediaPacket) => void;
  /** The connection is gone and a new one will be tried; `opened`: it had been up; `left`: so is the page, presumably. */
  lost: (opened: boolean, left: boolean) => void;
}

/** Between pings: while a transport may starve by itself, while something happens, and while nothing does. */
export const CLOSE_PING_MS = 250;
const BUSY_PING_MS = 500;
const IDLE_PING_MS = 2000;
/** At the start a few close together: the quickest there and back tells most about the streamer's clock. */
const FIRST_PINGS = 5;
const FIRST_PING_MS = 60;
/** Something has happened for so long after the last sign of it. */
const BUSY_MS = 2000;
/** Timers are not exact: what comes so little early is not left for the next beat. */
const TIMER_SLACK_MS = 50;
/** Asked, and without any message for so long: the connection is dead whatever TCP believes. */
const SILENCE_MS = 3500;
/** After a change of network, an answer must come sooner. */
const PROBE_MS = 1000;
/**
 * An attempt to connect that has not got through by now is given up for a new one, whose first packet goes at once:
 * TCP itself waits twice as long after each packet that was lost, and would sleep through the network's return. With the
 * pause between, a packet goes each second: the attempt's first, TCP's one repetition, the next attempt's first.
 */
const ATTEMPT_MS = 1500;
/**
 * So many of them, half a minute. Chromium makes a page whose WebSockets have failed a dozen times within minutes wait for
 * one to five seconds before each further one: from then on an attempt must outlast that.
 */
const QUICK_ATTEMPTS = 16;
/** Firefox makes nobody wait for whom the page itself gave up. */
const MAKES_WAIT = !('mozInnerScreenX' in globalThis);
const PATIENT_ATTEMPT_MS = 5500;
/** While the server answers requests: it is slow, not gone. */
const SLOW_ATTEMPT_MS = 10_000;
/** Input beyond this backlog is stale when it arrives: pointer motion is dropped. */
const CONGESTED_BYTES = 64 * 1024;

/** Short and steady: the picture must be back soon after the network is, and nobody knows when that is. */
const RETRY_MS = [0, 200, 500] as const;
/** The same where the server answers requests: it says that there is nothing to connect to yet. */
const ANSWERED_MS = 1000;

/**
 * Firefox closes the sockets of a page that is being left a good while before `pagehide`. Usually the page is gone within
 * this; it stays when the address was no page (a download), and goes on then.
 */
const LEAVE_MS = 2000;

/** Milliseconds before the `attempt`-th try (0 = the first) to connect again; `answered`: requests get through. */
export function retryDelay(attempt: number, answered: boolean): number {
  return RETRY_MS[attempt] ?? (answered ? ANSWERED_MS : RETRY_MS[2]);
}

/** Milliseconds that the `attempt`-th try may take. */
export function attemptLimit(attempt: number, answered: boolean, makesWait = MAKES_WAIT): number {
  if (answered) {
    return SLOW_ATTEMPT_MS;
  }
  return makesWait && attempt >= QUICK_ATTEMPTS ? PATIENT_ATTEMPT_MS : ATTEMPT_MS;
}

export class ViewerSocket {
  private socket: Socket | null = null;
  private attempt = 0;
  private retryTimer = 0;
  private heartbeatTimer = 0;
  private attemptTimer = 0;
  private answered = true;
  private lastHeard = 0;
  /** When the first ping went that nothing has followed; null: something has. */
  private askedAt: number | null = null;
  private lastPing = 0;
  private busyPingMs = BUSY_PING_MS;
  private busyUntil = 0;
  private closed = true;
  private leftAt = -Infinity;
  private polls: boolean;

  constructor(
    private readonly addresses: Addresses,
    private readonly events: SocketEvents,
  ) {
    this.polls = addresses.polled;
    addEventListener('online', () => this.networkChanged());
    addEventListener('beforeunload', () => (this.leftAt = performance.now()));
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

  /** Pictures come or input goes: the connection is watched closely for a while. */
  busy(): void {
    const now = performance.now();
    const idle = now > this.busyUntil;
    this.busyUntil = now + BUSY_MS;
    if (idle && now - this.lastPing > BUSY_PING_MS) {
      this.ping();
    }
  }

  /** The picture comes by a way of its own, which may starve while this one does not. */
  watchClosely(closely: boolean): void {
    this.busyPingMs = closely ? CLOSE_PING_MS : BUSY_PING_MS;
  }

  /** The server was asked by other ways. It answered: attempts may take long. It did not: they must be short. */
  setReachable(reachable: boolean): void {
    if (!this.isOpen) {
      this.answered = reachable;
    }
  }

  /** WebSockets do not get through: go by requests, until that connection is lost. */
  poll(): void {
    if (!this.polls) {
      this.reconnectNow(true);
    }
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
    const { polls, addresses } = this;
    const socket: Socket = polls
      ? new PolledSocket(addresses.requests, addresses.xsrf)
      : new WebSocket(addresses.socket, SUBPROTOCOL);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    let opened = false;
    window.clearTimeout(this.attemptTimer);
    this.attemptTimer = window.setTimeout(
      () => this.abandon(socket),
      attemptLimit(this.attempt, this.answered),
    );
    socket.onopen = () => {
      opened = true;
      window.clearTimeout(this.attemptTimer);
      // Should it be lost, it is the network's return that must not be missed.
      this.answered = false;
      this.lastHeard = this.lastPing = performance.now();
      this.askedAt = null;
      for (let first = 0; first < FIRST_PINGS; first++) {
        window.setTimeout(() => this.socket === socket && this.ping(), first * FIRST_PING_MS);
      }
      this.heartbeatTimer = window.setInterval(() => this.heartbeat(), CLOSE_PING_MS);
    };
    socket.onmessage = event => this.receive(event.data as string | ArrayBuffer);
    socket.onclose = () => {
      if (this.socket === socket) {
        const left = performance.now() - this.leftAt < LEAVE_MS;
        this.polls = addresses.polled;
        this.drop();
        this.scheduleRetry(left);
        this.events.lost(opened, left);
      }
    };
  }

  private receive(data: string | ArrayBuffer): void {
    this.lastHeard = performance.now();
    this.askedAt = null;
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

  private abandon(socket: Socket): void {
    if (socket === this.socket && !this.isOpen) {
      this.drop();
      this.scheduleRetry();
      this.events.lost(false, false);
    }
  }

  private ping(): void {
    this.lastPing = performance.now();
    this.askedAt ??= this.lastPing;
    this.send({ type: 'ping', t: this.lastPing });
  }

  private heartbeat(): void {
    const now = performance.now();
    // Nothing is missed that was not asked for: browsers let a page out of sight ask once a minute.
    if (this.askedAt !== null && now - this.askedAt > SILENCE_MS) {
      this.reconnectNow();
    } else if (
      now - this.lastPing >=
      (now < this.busyUntil ? this.busyPingMs : IDLE_PING_MS) - TIMER_SLACK_MS
    ) {
      this.ping();
    }
  }

  /** An attempt that was on its way went by the old network. */
  private networkChanged(): void {
    if (!this.closed && !this.isOpen) {
      this.reconnectNow();
    } else {
      this.probe();
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
    const asked = performance.now();
    this.ping();
    window.setTimeout(() => {
      if (this.isOpen && this.lastHeard < asked) {
        this.reconnectNow();
      }
    }, PROBE_MS);
  }

  /** `polls`: by requests; the network may be another one by now, so not unless it is known to be needed. */
  private reconnectNow(polls = this.addresses.polled): void {
    this.polls = polls;
    const wasUp = this.isOpen;
    this.attempt = 0;
    this.drop();
    this.scheduleRetry();
    if (wasUp) {
      this.events.lost(true, false);
    }
  }

  private scheduleRetry(left = false): void {
    window.clearTimeout(this.retryTimer);
    if (!this.closed) {
      const delay = left ? LEAVE_MS : retryDelay(this.attempt, this.answered);
      this.retryTimer = window.setTimeout(() => this.connect(), delay);
      this.attempt += 1;
    }
  }

  private drop(): void {
    window.clearTimeout(this.retryTimer);
    window.clearTimeout(this.attemptTimer);
    window.clearInterval(this.heartbeatTimer);
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }
}
