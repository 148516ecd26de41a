/**
 * Server-sent events out of a `fetch` response (WHATWG HTML, section 9.2.6 "Interpreting an event stream").
 *
 * Not `EventSource`: that one cannot send the header which proves that a request comes from our page.
 */

export interface ServerEvent {
  kind: string;
  id: string | null;
  data: string | null;
}

/** Yield each event of `body` until it ends; also those that only say where we are. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let pending = '';
  let event: ServerEvent = fresh();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      const lines = (pending + decoder.decode(value, { stream: true })).split(/\r?\n/);
      pending = lines.pop() ?? '';
      for (const line of lines) {
        if (line !== '') {
          take(event, line);
        } else if (event.id !== null || event.data !== null) {
          yield event;
          event = fresh();
        }
      }
    }
  } finally {
    // Also reached when the caller stops listening: without it the connection would stay open.
    await reader.cancel().catch(() => undefined);
  }
}

function fresh(): ServerEvent {
  return { kind: 'message', id: null, data: null };
}

function take(event: ServerEvent, line: string): void {
  const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
  if (field === 'event') {
    event.kind = value ?? '';
  } else if (field === 'id') {
    event.id = value ?? '';
  } else if (field === 'data') {
    event.data = event.data === null ? (value ?? '') : `${event.data}\n${value}`;
  }
}
