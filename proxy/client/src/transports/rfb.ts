/**
 * noVNC, the floor: a picture in every browser that passes WebSockets. It only shows; input, cursor and clipboard go
 * through the viewer socket on every transport. noVNC is loaded when it is needed.
 */

import type RFB from '@novnc/novnc';
import type { PictureTransport, TransportEvents } from './types';

export interface RfbTransportOptions extends TransportEvents {
  url: string;
}

const CONNECT_MS = 10_000;

export class RfbTransport implements PictureTransport {
  readonly name = 'rfb';
  readonly element = document.createElement('div');

  private rfb: RFB | null = null;
  private running = false;
  private connected = false;
  private frameRequest = 0;
  private timer = 0;

  constructor(private readonly options: RfbTransportOptions) {
    this.element.className = 'ss-rfb';
  }

  start(): void {
    this.running = true;
    this.timer = window.setTimeout(() => this.options.failed('noVNC did not connect'), CONNECT_MS);
    void this.connect();
  }

  stop(): void {
    this.running = false;
    window.clearTimeout(this.timer);
    cancelAnimationFrame(this.frameRequest);
    this.frameRequest = 0;
    const rfb = this.rfb;
    this.rfb = null;
    rfb?.disconnect();
  }

  private async connect(): Promise<void> {
    let Client: typeof RFB;
    try {
      ({ default: Client } = await import('@novnc/novnc'));
    } catch (error) {
      this.options.failed(`noVNC could not be loaded: ${String(error)}`);
      return;
    }
    if (!this.running) {
      return;
    }
    this.element.replaceChildren();
    const socket = new WebSocket(this.options.url, 'binary');
    socket.binaryType = 'arraybuffer';
    const rfb = new Client(this.element, socket, { shared: true });
    this.rfb = rfb;
    rfb.viewOnly = true;
    rfb.focusOnClick = false;
    rfb.scaleViewport = true;
    rfb.background = 'transparent';
    rfb.qualityLevel = 6;
    socket.addEventListener('message', event => this.arrived(event.data as ArrayBuffer));
    rfb.addEventListener('connect', () => {
      this.connected = true;
      window.clearTimeout(this.timer);
    });
    const ended = (reason: string) => {
      if (rfb === this.rfb) {
        this.options.failed(`noVNC: ${reason}`);
      }
    };
    rfb.addEventListener('disconnect', () => ended('disconnected'));
    rfb.addEventListener('securityfailure', () => ended('refused'));
  }

  /** noVNC has no event for a picture: what came in since is on its canvas by the next animation frame. */
  private arrived(data: ArrayBuffer): void {
    this.options.received(data.byteLength);
    if (this.connected && !this.frameRequest) {
      this.frameRequest = requestAnimationFrame(() => {
        this.frameRequest = 0;
        this.options.frame();
      });
    }
  }
}
