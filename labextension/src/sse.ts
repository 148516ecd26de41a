/**
 * Server-sent events out of a `fetch` response (WHATWG HTML, section 9.2.6 "Interpreting an event stream").
 *
 * Not `EventSource`: that one cannot carry the Authorization header with which JupyterLab may talk to its server,
 * and would connect again by itself after the stream's regular end.
 */

/** Yield the data of each event of `body` until it ends. */
export async function* eventData(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let pending = '';
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      const lines = (pending + decoder.decode(value, { stream: true })).split(/\r?\n/);
      pending = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('data:')) {
          data.push(line.slice(5).replace(/^ /, ''));
        } else if (line === '' && data.length > 0) {
          yield data.join('\n');
          data = [];
        }
      }
    }
  } finally {
    // Also reached when the caller stops listening: without it the connection would stay open.
    await reader.cancel().catch(() => undefined);
  }
}
