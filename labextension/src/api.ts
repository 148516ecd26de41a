/**
 * The Jupyter server's API for apps and sessions, typed. Knows HTTP and nothing of JupyterLab: how a request is
 * made comes from outside, so that it carries JupyterLab's credentials there and none in a test.
 */
import { eventData } from './sse';
import type { Catalog, LaunchRequest, Progress, Queue, Session, Sleep } from './tokens';
import { traceparent } from './trace';

/** Make a request below `<base>/streamspace/api/v1/`. */
export type Request = (path: string, init?: RequestInit) => Promise<Response>;

/** What the server refused, in the sentence that it gave. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    /** Of a start for which the hub has no room at present. */
    readonly queue: Queue | null = null,
  ) {
    super(message);
  }
}

export class Api {
  /** `traces`: whether a start begins a trace. */
  constructor(
    private readonly request: Request,
    private readonly traces = false,
  ) {}

  catalog(): Promise<Catalog> {
    return this.json<Catalog>('apps');
  }

  async sessions(): Promise<readonly Session[]> {
    return (await this.json<{ sessions: Session[] }>('sessions')).sessions;
  }

  /** Start the app, or find it running; its session may still be starting. */
  launch(request: LaunchRequest, signal: AbortSignal): Promise<Session> {
    const headers = this.traces ? { headers: { traceparent: traceparent() } } : {};
    return this.json<Session>('sessions', {
      method: 'POST',
      body: JSON.stringify(request),
      signal,
      ...headers,
    });
  }

  async stop(name: string): Promise<void> {
    await this.checked(sessionPath(name), { method: 'DELETE' });
  }

  async sleep(name: string, how: Sleep): Promise<void> {
    await this.checked(`${sessionPath(name)}/${how}`, { method: 'POST' });
  }

  /** Yield what happens while the session starts, until the server ends the stream. */
  async *progress(name: string, signal: AbortSignal): AsyncGenerator<Progress> {
    const headers = { Accept: 'text/event-stream' };
    const { body } = await this.checked(`${sessionPath(name)}/progress`, { headers, signal });
    if (body) {
      for await (const data of eventData(body)) {
        yield JSON.parse(data) as Progress;
      }
    }
  }

  private async json<T>(path: string, init?: RequestInit): Promise<T> {
    return (await (await this.checked(path, init)).json()) as T;
  }

  private async checked(path: string, init?: RequestInit): Promise<Response> {
    const response = await this.request(path, init);
    if (!response.ok) {
      const [message, queue] = await refusal(response);
      throw new ApiError(message, response.status, queue);
    }
    return response;
  }
}

function sessionPath(name: string): string {
  return `sessions/${encodeURIComponent(name)}`;
}

/** What an error body says; proxies in between answer with pages of their own, which nobody wants to read. */
async function refusal(response: Response): Promise<[string, Queue | null]> {
  try {
    const { message, queue } = (await response.json()) as { message?: unknown; queue?: Queue };
    if (typeof message === 'string' && message) {
      return [message, queue ?? null];
    }
  } catch {
    // Not JSON: falls through to the status.
  }
  return [`The server answered ${response.status} ${response.statusText}`.trim() + '.', null];
}
