/** The service's REST API, typed by its OpenAPI document (`schema.ts` is made from it: `npm run generate`). */

import createClient from 'openapi-fetch';

import type { Page } from './page';
import type { components, paths } from './schema';
import { readEvents, type ServerEvent } from './sse';
import { traceparent } from './trace';

type Schemas = components['schemas'];
export type App = Schemas['App'];
/** `storage`: what the user's files take and may take, in bytes, where that is limited. */
export type Session = Schemas['UserSession'] & {
  storage?: { used?: number | null; limit: number } | null;
};
/** One that its user shares. */
export type SharedSession = Schemas['SharedSession'];
export type State = Schemas['SessionState'];
export type QuotaLimit = Schemas['QuotaLimit'];
export type PolicyValue = Schemas['PolicyValue'];
export type SleepValue = Schemas['SleepValue'];
export type ResolvedPolicy = Schemas['ResolvedPolicy'];
export type Override = Schemas['Override'];
/** For whom an override is; the name is empty for everybody. */
export type Whose = Pick<Schemas['OverrideEntry'], 'kind' | 'name'>;
export type AuditEvent = Schemas['AuditEvent'];
export type Settings = Schemas['Settings'];
export type Announcement = Schemas['Announcement'];
export type UsageReport = Schemas['UsageReport'];
export type SecondFactors = Schemas['SecondFactors'];
export type NewTotp = Schemas['NewTotp'];
export type Share = Schemas['Share'];
export type ShareRole = Share['role'];
export type StepAhead = Schemas['StepAhead'];
export type QueuePlace = Schemas['QueuePlace'];
type Problem = Schemas['Problem'];
type Json = Record<string, unknown>;

/** Where somebody waits, and in how many seconds they are to ask again. */
export interface Queued extends QueuePlace {
  again: number;
}

/** The service refused, or cannot be reached; the message is a sentence for the user. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** Of a start for which the hub has no room at present. */
    readonly queued: Queued | null = null,
  ) {
    super(message);
  }
}

/** What can be done with a session that stays on the list. */
export type Verb = 'freeze' | 'hibernate' | 'resume' | 'stop';

export interface SessionFilter {
  user?: string;
}

/** Which lines of the audit log are looked for; times are ISO 8601 with their zone. */
export type AuditFilter = Omit<
  NonNullable<paths['/api/v1/audit']['get']['parameters']['query']>,
  'limit' | 'before'
>;

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

export type Api = ReturnType<typeof makeApi>;

const PAGE = 200;
const PLURAL = { user: 'users', group: 'groups' } as const;
const SHARE = '/api/v1/sessions/{user}/{server}/shares/{kind}/{name}';
/** Seconds until one who waits asks again, where nobody says. */
const AGAIN = 10;

export function makeApi(page: Page, onSignedOut: () => void) {
  const headers = { 'X-XSRF-Token': page.proof };
  const client = createClient<paths>({ baseUrl: page.api, headers });

  const begun = () => (page.traces ? { headers: { traceparent: traceparent() } } : {});

  async function ask<T>(answering: Promise<Answer<T>>): Promise<{ data: T; response: Response }> {
    const { data, error, response } = await answering.catch((reason: unknown) => {
      throw new ApiError(0, reason instanceof Error ? reason.message : String(reason));
    });
    if (response.status === 401) {
      onSignedOut();
    }
    if (!response.ok) {
      throw new ApiError(response.status, detailOf(error) ?? response.statusText, queuedOf(error, response));
    }
    return { data: data as T, response };
  }

  async function sessionPage(filter: SessionFilter, after?: string): Promise<Schemas['SessionList']> {
    const query = { ...filter, limit: PAGE, ...(after === undefined ? {} : { after }) };
    return (await ask(client.GET('/api/v1/sessions', { params: { query } }))).data;
  }

  function getOverride({ kind, name }: Whose): Promise<Answer<Override>> {
    switch (kind) {
      case 'everybody':
        return client.GET('/api/v1/overrides/everybody');
      case 'group':
        return client.GET('/api/v1/overrides/groups/{group}', { params: { path: { group: name } } });
      case 'user':
        return client.GET('/api/v1/overrides/users/{user}', { params: { path: { user: name } } });
    }
  }

  function putOverride({ kind, name }: Whose, body: Override, version: string): Promise<Answer<Override>> {
    const header = { 'If-Match': version };
    switch (kind) {
      case 'everybody':
        return client.PUT('/api/v1/overrides/everybody', { params: { header }, body });
      case 'group':
        return client.PUT('/api/v1/overrides/groups/{group}', {
          params: { header, path: { group: name } },
          body,
        });
      case 'user':
        return client.PUT('/api/v1/overrides/users/{user}', {
          params: { header, path: { user: name } },
          body,
        });
    }
  }

  return {
    async apps(): Promise<App[]> {
      return (await ask(client.GET('/api/v1/apps'))).data.apps;
    },
    /** All sessions that match, page by page. */
    async sessions(filter: SessionFilter = {}): Promise<Session[]> {
      const found: Session[] = [];
      let after: string | undefined;
      do {
        const list = await sessionPage(filter, after);
        found.push(...list.sessions);
        after = list.next ?? undefined;
      } while (after !== undefined);
      return found;
    },
    async start(app: string): Promise<Session> {
      return (await ask(client.POST('/api/v1/sessions', { body: { app, queue: false }, ...begun() }))).data;
    },
    async stop(session: Session): Promise<Session> {
      const path = pathOf(session);
      return (await ask(client.POST('/api/v1/sessions/{user}/{server}/stop', { params: { path } }))).data;
    },
    /** Stop its processes; they keep their memory. */
    async freeze(session: Session): Promise<Session> {
      const path = pathOf(session);
      return (await ask(client.POST('/api/v1/sessions/{user}/{server}/freeze', { params: { path } }))).data;
    },
    /** Put its memory on disk, and end its processes. */
    async hibernate(session: Session): Promise<Session> {
      const path = pathOf(session);
      return (await ask(client.POST('/api/v1/sessions/{user}/{server}/hibernate', { params: { path } })))
        .data;
    },
    /** Wake it, or start one that has ended again. */
    async resume(session: Session): Promise<Session> {
      const path = pathOf(session);
      const asked = client.POST('/api/v1/sessions/{user}/{server}/resume', { params: { path }, ...begun() });
      return (await ask(asked)).data;
    },
    /** Keep it awake for so many seconds from now, or for as long as its policy allows. */
    async extend(session: Session, seconds: number): Promise<Session> {
      const params = { path: pathOf(session) };
      const post = client.POST('/api/v1/sessions/{user}/{server}/extend', { params, body: { seconds } });
      return (await ask(post)).data;
    },
    async remove(session: Session): Promise<void> {
      await ask(client.DELETE('/api/v1/sessions/{user}/{server}', { params: { path: pathOf(session) } }));
    },
    /** With whom it is shared. */
    async shares(session: Session): Promise<Share[]> {
      const path = pathOf(session);
      return (await ask(client.GET('/api/v1/sessions/{user}/{server}/shares', { params: { path } }))).data
        .shares;
    },
    /** Share it, or change what somebody is in it; returns with whom it is shared then. */
    async share(session: Session, { kind, name, role }: Share): Promise<Share[]> {
      const path = { ...pathOf(session), kind: PLURAL[kind], name };
      const put = client.PUT(SHARE, { params: { path }, body: { role } });
      return (await ask(put)).data.shares;
    },
    async unshare(session: Session, { kind, name }: Share): Promise<Share[]> {
      const path = { ...pathOf(session), kind: PLURAL[kind], name };
      return (await ask(client.DELETE(SHARE, { params: { path } }))).data.shares;
    },
    /** What others share with a user, or with a group of theirs. */
    async sharedWith(user: string): Promise<SharedSession[]> {
      const found: SharedSession[] = [];
      let after: string | undefined;
      do {
        const query = { limit: PAGE, ...(after === undefined ? {} : { after }) };
        const params = { path: { user }, query };
        const { data } = await ask(client.GET('/api/v1/users/{user}/shared', { params }));
        found.push(...data.sessions);
        after = data.next ?? undefined;
      } while (after !== undefined);
      return found;
    },
    /** What the ladder of sleep has in store for each of a user's sessions, by name. */
    async ahead(user: string): Promise<ReadonlyMap<string, StepAhead[]>> {
      const { data } = await ask(client.GET('/api/v1/users/{user}/ahead', { params: { path: { user } } }));
      return new Map(data.sessions.map(({ name, steps }) => [name, steps]));
    },
    /** What the session shows as a JPEG; null when there is no picture now. */
    async thumbnail(session: Session, signal: AbortSignal): Promise<Blob | 'forbidden' | null> {
      const { data, response } = await client.GET('/api/v1/sessions/{user}/{server}/thumbnail', {
        params: { path: pathOf(session) },
        parseAs: 'blob',
        signal,
      });
      if (response.status === 403) {
        return 'forbidden';
      }
      return response.ok ? (data ?? null) : null;
    },
    async quota(user: string): Promise<QuotaLimit[]> {
      return (await ask(client.GET('/api/v1/users/{user}/quota', { params: { path: { user } } }))).data
        .limits;
    },
    /** What sessions of an app may do: the caller's own ones, or those of `user`. */
    async policy(app: string, user?: string): Promise<ResolvedPolicy> {
      const params = { path: { app }, query: user === undefined ? {} : { user } };
      return (await ask(client.GET('/api/v1/policies/{app}', { params }))).data;
    },
    /** The groups of everybody who has sessions. */
    async groups(): Promise<ReadonlyMap<string, readonly string[]>> {
      const found = new Map<string, readonly string[]>();
      let after: string | undefined;
      do {
        const query = { limit: PAGE, ...(after === undefined ? {} : { after }) };
        const { data } = await ask(client.GET('/api/v1/users', { params: { query } }));
        data.users.forEach(({ name, groups }) => found.set(name, groups));
        after = data.next ?? undefined;
      } while (after !== undefined);
      return found;
    },
    /** For whom there are overrides. */
    async overrides(): Promise<Whose[]> {
      const found: Whose[] = [];
      let after: string | undefined;
      do {
        const query = { limit: PAGE, ...(after === undefined ? {} : { after }) };
        const { data } = await ask(client.GET('/api/v1/overrides', { params: { query } }));
        found.push(...data.overrides.map(({ kind, name }) => ({ kind, name })));
        after = data.next ?? undefined;
      } while (after !== undefined);
      return found;
    },
    /** An override, and the version that who changes it has to name. */
    async override(whose: Whose): Promise<{ override: Override; version: string }> {
      const { data, response } = await ask(getOverride(whose));
      return { override: data, version: versionOf(response) };
    },
    /** Replace an override; return its new version. Fails with 412 if it is another than `version` by now. */
    async setOverride(whose: Whose, override: Override, version: string): Promise<string> {
      return versionOf((await ask(putOverride(whose, override, version))).response);
    },
    /** Change the user's settings as they are now on the server; two pages lose nothing of each other's. */
    async changeSettings(user: string, change: (now: Settings) => Settings): Promise<Settings> {
      const params = { path: { user } };
      const { data, response } = await ask(client.GET('/api/v1/users/{user}/settings', { params }));
      const version = response.headers.get('ETag') ?? '';
      const put = client.PUT('/api/v1/users/{user}/settings', {
        params: { ...params, header: { 'if-match': version } },
        body: change(data),
      });
      return (await ask(put)).data;
    },
    async announcement(): Promise<Announcement> {
      return (await ask(client.GET('/api/v1/announcement'))).data;
    },
    /** Announce something in place of what is announced now. */
    async announce(announcement: Announcement): Promise<Announcement> {
      const { response } = await ask(client.GET('/api/v1/announcement'));
      const params = { header: { 'if-match': response.headers.get('ETag') ?? '' } };
      return (await ask(client.PUT('/api/v1/announcement', { params, body: announcement }))).data;
    },
    /** A user's second factors, and when this sign-in has shown one last. */
    async factors(user: string): Promise<SecondFactors> {
      return (await ask(client.GET('/api/v1/users/{user}/factors', { params: { path: { user } } }))).data;
    },
    async beginTotp(user: string, label: string): Promise<NewTotp> {
      const params = { path: { user } };
      return (await ask(client.POST('/api/v1/users/{user}/factors/totp', { params, body: { label } }))).data;
    },
    async finishTotp(user: string, code: string): Promise<SecondFactors> {
      const params = { path: { user } };
      const posted = client.POST('/api/v1/users/{user}/factors/totp/confirm', { params, body: { code } });
      return (await ask(posted)).data;
    },
    async showCode(code: string): Promise<SecondFactors> {
      return (await ask(client.POST('/api/v1/step-up', { body: { code } }))).data;
    },
    /** Set up a security key: `sign` has the browser do it. */
    async addKey(user: string, sign: (options: Json) => Promise<Json>): Promise<SecondFactors> {
      const params = { path: { user } };
      const asked = await ask(client.POST('/api/v1/users/{user}/factors/webauthn', { params }));
      const body = { credential: await sign(asked.data.options), label: '' };
      const posted = client.POST('/api/v1/users/{user}/factors/webauthn/confirm', { params, body });
      return (await ask(posted)).data;
    },
    async showKey(sign: (options: Json) => Promise<Json>): Promise<SecondFactors> {
      const asked = await ask(client.POST('/api/v1/step-up/webauthn'));
      const body = { credential: await sign(asked.data.options), label: '' };
      return (await ask(client.POST('/api/v1/step-up/webauthn/confirm', { body }))).data;
    },
    async removeFactors(user: string): Promise<void> {
      await ask(client.DELETE('/api/v1/users/{user}/factors', { params: { path: { user } } }));
    },
    async usage(by: UsageReport['by'], since: string): Promise<UsageReport> {
      return (await ask(client.GET('/api/v1/usage', { params: { query: { by, since } } }))).data;
    },
    async usageCsv(since: string): Promise<Blob> {
      const asked = client.GET('/api/v1/usage/export', { params: { query: { since } }, parseAs: 'blob' });
      return (await ask(asked)).data;
    },
    async audit(filter: AuditFilter, before: number | null) {
      const query = { ...filter, limit: 50, ...(before === null ? {} : { before }) };
      return (await ask(client.GET('/api/v1/audit', { params: { query } }))).data;
    },
    /** Changes of sessions until `signal` ends it; goes on after the last event that was seen. */
    async *events(lastId: string | null, signal: AbortSignal): AsyncGenerator<ServerEvent> {
      const resume = lastId === null ? {} : { 'Last-Event-ID': lastId };
      const response = await fetch(`${page.api}/api/v1/events`, {
        headers: { ...headers, ...resume },
        signal,
      });
      if (response.status === 401) {
        onSignedOut();
      }
      if (!response.ok || !response.body) {
        throw new ApiError(response.status, response.statusText);
      }
      yield* readEvents(response.body);
    },
  };
}

function pathOf(session: Session): { user: string; server: string } {
  return { user: session.user, server: session.name === '' ? '~' : session.name };
}

function versionOf(response: Response): string {
  return response.headers.get('ETag') ?? '';
}

function queuedOf(error: unknown, response: Response): Queued | null {
  const queue = typeof error === 'object' && error !== null && (error as Problem).queue;
  return queue ? { ...queue, again: Number(response.headers.get('Retry-After')) || AGAIN } : null;
}

function detailOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'detail' in error
    ? (error as Problem).detail
    : undefined;
}
