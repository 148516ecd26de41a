/** Requests to the server of this page, and the addresses of its sockets. Everything is relative to the page. */

import type { PageConfig } from './api';
import type { Addresses } from './socket';

/** The address of a socket beside this page. `view=1` asks for a view-only role there, too. */
export function socketUrl(path: string, view: boolean): string {
  return requestUrl(path, view).replace(/^http/, 'ws');
}

/** The address of requests beside this page, that ask for the same role. */
function requestUrl(path: string, view: boolean): string {
  const url = new URL(path, location.href);
  url.search = view ? '?view=1' : '';
  return url.href;
}

/** Where the viewer socket is; `polled`: it is to go by requests. */
export function viewerAddresses({ view, xsrf }: PageConfig, polled: boolean): Addresses {
  return { socket: socketUrl('ws', view), requests: requestUrl('http', view), xsrf: xsrf ?? '', polled };
}

/** How the server answers plain requests, seen from a viewer socket that does not open. */
export type Reached = 'fine' | 'forbidden' | 'stopped' | 'not_ready' | 'unreachable';

const ASK_MS = 2000;

/** Why the viewer socket does not open: it gives no reason, a request to the same place does. */
export async function askWhy(): Promise<Reached> {
  try {
    const answer = await fetch('api/v1/status', {
      cache: 'no-store',
      redirect: 'manual',
      signal: AbortSignal.timeout(ASK_MS),
    });
    if (answer.type === 'opaqueredirect' || answer.status === 401 || answer.status === 403) {
      return 'forbidden';
    }
    if (answer.ok) {
      return 'fine';
    }
    // 424: the hub's answer for a server that is not running.
    return answer.status === 404 || answer.status === 424 ? 'stopped' : 'not_ready';
  } catch {
    return 'unreachable';
  }
}

/** Fetch TURN servers with credentials of now; null: there was no answer in time. */
export async function fetchTurnServers(): Promise<RTCIceServer[] | null> {
  try {
    const answer = await fetch('api/v1/turn', { cache: 'no-store', signal: AbortSignal.timeout(ASK_MS) });
    const { ice_servers: servers } = (await answer.json()) as { ice_servers?: RTCIceServer[] };
    return answer.ok && servers ? servers : null;
  } catch {
    return null;
  }
}

/** Ask the hub, by way of our server, to stop the session. False: it was refused. */
export async function stopSession(url: string, xsrf: string): Promise<boolean> {
  const answer = await fetch(url, { method: 'POST', headers: { 'X-XSRFToken': xsrf } }).catch(() => null);
  return answer?.ok ?? false;
}
