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
  private copy: HTMLCanvasElement | null = null;
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
    this.keepPicture();
    const rfb = this.rfb;
    this.rfb = null;
    this.connected = false;
    rfb?.disconnect();
  }

  /** An RFB server sends to whoever is connected: out of sight the connection ends, and only the picture stays. */
  hide(hidden: boolean): void {
    if (hidden === !this.running) {
      return;
    }
    if (hidden) {
      this.stop();
    } else {
      this.start();
    }
  }

  /** noVNC takes its canvas away when it disconnects; a copy stays until the next picture is there. */
  private keepPicture(): void {
    const canvas = this.element.querySelector('canvas');
    if (canvas && canvas.width > 0) {
      const copy = document.createElement('canvas');
      copy.className = 'ss-copy';
      copy.width = canvas.width;
      copy.height = canvas.height;
      copy.getContext('2d')?.drawImage(canvas, 0, 0);
      this.copy?.remove();
      this.copy = copy;
      this.element.append(copy);
    }
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
        this.copy?.remove();
        this.copy = null;
        this.options.frame({ captureUs: null, at: performance.now(), size: null });
      });
    }
  }
}
