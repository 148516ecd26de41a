/** A server for tests: real `Response` objects, made by one function for each request. */
import { Api } from '../src/api';
import type { App, Session, SessionState } from '../src/tokens';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** An `Api` whose requests are answered by `answer`, and the list of what was asked. */
export function serve(answer: (asked: Asked) => Response | Promise<Response>): { api: Api; asked: Asked[] } {
  const asked: Asked[] = [];
  const api = new Api((path, init = {}) => {
    const body = typeof init.body === 'string' ? (JSON.parse(init.body) as unknown) : undefined;
    const question = { method: init.method ?? 'GET', path, body };
    asked.push(question);
    return Promise.resolve(answer(question));
  });
  return { api, asked };
}

export const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });

/** A progress stream of these events. */
export function events(...all: object[]): Response {
  return new Response(all.map(event => `data: ${JSON.stringify(event)}\n\n`).join(''));
}

export function session(state: SessionState, name = 'gimp'): Session {
  const url = `/user/ada/${name}/streamspace/`;
  return { name, app: name, title: name.toUpperCase(), state, url, started: null, last_activity: null };
}

export function app(name: string, given: Partial<App> = {}): App {
  return {
    name,
    title: name,
    description: '',
    icon: '',
    categories: ['Other'],
    mime_types: [],
    installed: true,
    install_hint: null,
    ...given,
  };
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) {
    all.push(item);
  }
  return all;
}
