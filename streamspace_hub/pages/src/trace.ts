/** A click's part in a trace: the header that makes what comes of it the click's (W3C Trace Context). */

/** Return a new `traceparent`; the trace is the page's, which sends nothing itself. */
export function traceparent(): string {
  return `00-${hex(16)}-${hex(8)}-01`;
}

function hex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, byte => byte.toString(16).padStart(2, '0')).join('');
}
