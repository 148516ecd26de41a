/**
 * What the user has: the apps of the catalog and the sessions, kept fresh while somebody looks.
 *
 * Knows no widget. Asks the server only while it is watched and the page is visible: a hundred open browsers must
 * not make a hub busy.
 */
import { JSONExt, PromiseDelegate, type ReadonlyJSONValue } from '@lumino/coreutils';
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Api } from './api';
import { ordered } from './order';
import { phase } from './start';
import type { App, Catalog, Session, Sleep } from './tokens';

const INTERVAL = 5_000;
const SLOWEST = 60_000;
const FIRST_RETRY = 1_000;

export class Model implements IDisposable {
  private _catalog: Catalog = { mode: 'here', apps: [], problems: [] };
  private _sessions: readonly Session[] = [];
  private _error: string | null = null;
  private _watchers = 0;
  private _refreshing: Promise<void> | null = null;
  private readonly _loaded = new PromiseDelegate<void>();
  private readonly _changed = new Signal<this, void>(this);
  private readonly _poll: Poll;

  constructor(readonly api: Api) {
    this._poll = new Poll({
      auto: false,
      factory: () => this.refresh(),
      frequency: { interval: INTERVAL, backoff: true, max: SLOWEST },
      name: 'streamspace:sessions',
      standby: 'when-hidden',
    });
  }

  /** Emitted when anything below has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The catalog's apps in the order in which they are shown. */
  get apps(): readonly App[] {
    return this._catalog.apps;
  }

  /** Sentences about templates that could not be used. */
  get problems(): readonly string[] {
    return this._catalog.problems;
  }

  /** Sessions that are there: running, sleeping or on their way. */
  get sessions(): readonly Session[] {
    return this._sessions;
  }

  /** Why the server could not be asked the last time, or null. */
  get error(): string | null {
    return this._error;
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  dispose(): void {
    this._poll.dispose();
    Signal.clearData(this);
  }

  app(name: string): App | undefined {
    return this.apps.find(app => app.name === name);
  }

  session(name: string): Session | undefined {
    return this.sessions.find(session => session.name === name);
  }

  sessionOf(app: string): Session | undefined {
    return this.sessions.find(session => session.app === app);
  }

  /** Keep the sessions fresh until the result is disposed. */
  watch(): IDisposable {
    if (this._watchers++ === 0) {
      void this._poll.start();
    }
    return new DisposableDelegate(() => {
      if (--this._watchers === 0 && !this.isDisposed) {
        void this._poll.stop();
      }
    });
  }

  /** Settles when the catalog has been asked for, whether it came or not. */
  get loaded(): Promise<void> {
    return this._loaded.promise;
  }

  /** Read everything for the first time, as often as it takes. What goes wrong is kept in `error`. */
  async load(): Promise<void> {
    for (let wait = FIRST_RETRY; !this.isDisposed; wait = Math.min(2 * wait, SLOWEST)) {
      await this.refreshCatalog().catch(() => undefined);
      this._loaded.resolve();
      if (this.error === null) {
        await this.refresh().catch(() => undefined);
        return;
      }
      await new Promise(resolve => setTimeout(resolve, wait));
    }
  }

  /** Read the catalog again; what is installed changes rarely. */
  async refreshCatalog(): Promise<void> {
    await this._ask(async () => {
      const catalog = await this.api.catalog();
      return this._set({ catalog: { ...catalog, apps: ordered(catalog.apps) } });
    });
  }

  /** Read the sessions again; requests that meet share one answer. */
  refresh(): Promise<void> {
    this._refreshing ??= this._ask(async () => {
      const sessions = await this.api.sessions();
      return this._set({
        sessions: sessions.filter(({ state }) => state === 'stopping' || phase(state) !== 'over'),
      });
    }).finally(() => (this._refreshing = null));
    return this._refreshing;
  }

  /** End a session. */
  stop(name: string): Promise<void> {
    return this._change(this.api.stop(name));
  }

  /** Put a session to sleep. */
  sleep(name: string, how: Sleep): Promise<void> {
    return this._change(this.api.sleep(name, how));
  }

  private async _change(change: Promise<void>): Promise<void> {
    try {
      await change;
    } finally {
      // What was under way when the session changed may still tell of it as it was.
      await this._refreshing?.catch(() => undefined);
      await this.refresh().catch(() => undefined);
    }
  }

  private async _ask(question: () => Promise<boolean>): Promise<void> {
    let changed = false;
    let error: string | null = null;
    try {
      changed = await question();
    } catch (reason) {
      error = reason instanceof Error ? reason.message : String(reason);
      throw reason;
    } finally {
      if (changed || error !== this._error) {
        this._error = error;
        this._changed.emit();
      }
    }
  }

  private _set(news: { catalog?: Catalog; sessions?: readonly Session[] }): boolean {
    const { catalog = this._catalog, sessions = this._sessions } = news;
    const same = equal(catalog, this._catalog) && equal(sessions, this._sessions);
    this._catalog = catalog;
    this._sessions = sessions;
    return !same;
  }
}

/** Whether two answers of the server, plain JSON both, are the same. */
function equal(one: unknown, other: unknown): boolean {
  return JSONExt.deepEqual(one as ReadonlyJSONValue, other as ReadonlyJSONValue);
}
