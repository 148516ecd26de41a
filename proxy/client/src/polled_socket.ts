/**
 * A viewer socket by plain requests, for networks that let no WebSocket through (docs/reference/protocol.md): one
 * request is always held by the server until it has something to say, messages go up in batches. Has what
 * `socket.ts` uses of a WebSocket. Any request that fails ends it, as a lost connection would.
 */

const TEXT = 1;
const BINARY = 2;
const HEADER_BYTES = 5;
/** A batch has at most about so much, unless one message is larger. */
const BATCH_BYTES = 256 * 1024;

/** What `socket.ts` uses of a WebSocket, or of this. */
export type Socket = Pick<
  WebSocket,
  'binaryType' | 'readyState' | 'bufferedAmount' | 'onopen' | 'onmessage' | 'onclose' | 'close'
> & { send: (data: string | ArrayBuffer) => void };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One message as it stands in a body. */
export function pack(message: string | ArrayBuffer): Uint8Array {
  const payload = typeof message === 'string' ? encoder.encode(message) : new Uint8Array(message);
  const packed = new Uint8Array(HEADER_BYTES + payload.byteLength);
  const view = new DataView(packed.buffer);
  view.setUint8(0, typeof message === 'string' ? TEXT : BINARY);
  view.setUint32(1, payload.byteLength);
  packed.set(payload, HEADER_BYTES);
  return packed;
}

/** The messages in a body; throws a RangeError for what is none. */
export function unpack(body: ArrayBuffer): (string | ArrayBuffer)[] {
  const view = new DataView(body);
  const messages: (string | ArrayBuffer)[] = [];
  for (let at = 0; at < body.byteLength;) {
    const kind = view.getUint8(at);
    const start = at + HEADER_BYTES;
    at = start + view.getUint32(at + 1);
    if (at > body.byteLength || (kind !== TEXT && kind !== BINARY)) {
      throw new RangeError('not a body of messages');
    }
    const payload = body.slice(start, at);
    messages.push(kind === TEXT ? decoder.decode(payload) : payload);
  }
  return messages;
}

export class PolledSocket implements Socket {
  binaryType: BinaryType = 'arraybuffer';
  readyState: WebSocket['readyState'] = WebSocket.CONNECTING;
  bufferedAmount = 0;
  onopen: WebSocket['onopen'] = null;
  onmessage: WebSocket['onmessage'] = null;
  onclose: WebSocket['onclose'] = null;

  private readonly aborter = new AbortController();
  private waiting: Uint8Array[] = [];
  private posting = false;
  private batches = 0;
  private arrived = 0;
  private name = '';

  /** `url`: where connections are opened, with its query if it has one; `xsrf`: what the server wants to see in a request. */
  constructor(
    private readonly url: string,
    private readonly xsrf: string,
  ) {
    void this.run();
  }

  send(data: string | ArrayBuffer): void {
    if (this.readyState === WebSocket.OPEN) {
      const packed = pack(data);
      this.waiting.push(packed);
      this.bufferedAmount += packed.byteLength;
      void this.flush();
    }
  }

  close(): void {
    if (this.readyState === WebSocket.OPEN) {
      // Its answer is nobody's business any more; without it the streamer would notice some seconds later.
      // The end of a connection outlives its page.
      void this.request('DELETE', this.at(), { keepalive: true }).catch(() => undefined);
    }
    this.readyState = WebSocket.CLOSED;
    this.aborter.abort();
  }

  private async run(): Promise<void> {
    try {
      const opened = await this.request('POST', this.url);
      ({ connection: this.name } = (await opened.json()) as { connection: string });
      if (this.isOver) {
        return;
      }
      this.readyState = WebSocket.OPEN;
      this.onopen?.call(this as unknown as WebSocket, new Event('open'));
      while (!this.isOver) {
        await this.fetch();
      }
    } catch {
      this.lost();
    }
  }

  private get isOver(): boolean {
    return this.readyState === WebSocket.CLOSED;
  }

  private async fetch(): Promise<void> {
    const address = this.at('after', this.arrived);
    const answer = await this.request('GET', address, { cache: 'no-store', signal: this.aborter.signal });
    for (const message of unpack(await answer.arrayBuffer())) {
      this.arrived += 1;
      if (!this.isOver) {
        this.onmessage?.call(this as unknown as WebSocket, new MessageEvent('message', { data: message }));
      }
    }
  }

  private async flush(): Promise<void> {
    if (this.posting) {
      return;
    }
    this.posting = true;
    try {
      // What comes within the same turn goes together.
      await Promise.resolve();
      while (this.waiting.length > 0 && !this.isOver) {
        const batch = this.batch();
        await this.request('POST', this.at('batch', this.batches), { body: batch });
        this.batches += 1;
        this.bufferedAmount -= batch.byteLength;
      }
    } catch {
      this.lost();
    } finally {
      this.posting = false;
    }
  }

  private batch(): Uint8Array<ArrayBuffer> {
    let size = 0;
    const fits = this.waiting.findIndex(({ byteLength }) => (size += byteLength) > BATCH_BYTES);
    const taken = this.waiting.splice(0, fits === -1 ? this.waiting.length : Math.max(fits, 1));
    const body = new Uint8Array(taken.reduce((sum, { byteLength }) => sum + byteLength, 0));
    let at = 0;
    for (const one of taken) {
      body.set(one, at);
      at += one.byteLength;
    }
    return body;
  }

  private async request(method: string, address: string, more: RequestInit = {}): Promise<Response> {
    // JupyterHub wants the token in whatever a script asks for, and not in a POST only.
    const headers = { 'X-XSRFToken': this.xsrf, 'Content-Type': 'application/octet-stream' };
    return checked(await fetch(address, { method, headers, redirect: 'error', ...more }));
  }

  /** The address of this connection. */
  private at(parameter = '', value = 0): string {
    const url = new URL(this.url);
    url.pathname += `/${this.name}`;
    if (parameter) {
      url.searchParams.set(parameter, String(value));
    }
    return url.href;
  }

  private lost(): void {
    if (!this.isOver) {
      this.close();
      this.onclose?.call(this as unknown as WebSocket, new CloseEvent('close'));
    }
  }
}

function checked(answer: Response): Response {
  if (!answer.ok) {
    throw new Error(`refused with status ${answer.status}`);
  }
  return answer;
}
