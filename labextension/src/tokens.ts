/**
 * The words shared by all modules: what the Jupyter server's API speaks, and the names of our commands.
 * No code that does anything.
 */

export const PLUGIN_ID = '@streamspace/jupyterlab:plugin';

/** Command names that users and other extensions may call. */
export const CommandIDs = {
  /** `{app, open?}`: start the app or go to it; `open` is a file's path as the file browser has it. */
  launch: 'streamspace:launch',
  /** `{app}`: open the file selected in the file browser in the app. */
  openWith: 'streamspace:open-with',
  /** `{app, name}`: a tab on a session as it is now; starts nothing. */
  show: 'streamspace:show',
  /** `{name?, title?}`: end a session after asking; without a name, the one in the current tab. */
  stop: 'streamspace:stop',
  /** `{name?, title?}`: stop a session's processes, which keep their memory; likewise. */
  freeze: 'streamspace:freeze',
  /** `{name?, title?}`: put a session's memory on disk and end its processes; likewise. */
  hibernate: 'streamspace:hibernate',
  /** Read apps and sessions again. */
  refresh: 'streamspace:refresh',
} as const;

/** States of a session, the same words everywhere in the project. */
export type SessionState =
  | 'starting'
  | 'running'
  | 'frozen'
  | 'hibernating'
  | 'sleeping'
  | 'resuming'
  | 'stopping'
  | 'stopped'
  | 'failed';

/** What can be done to a session so that it wakes as it was. */
export type Sleep = 'freeze' | 'hibernate';

/** One entry of the catalog. */
export interface App {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** A `data:` URL of an SVG image. */
  readonly icon: string;
  readonly categories: readonly string[];
  readonly mime_types: readonly string[];
  readonly installed: boolean;
  /** How to get it, where it is not installed. */
  readonly install_hint: string | null;
}

export interface Catalog {
  /** `hub`: an app is a server of its own; `here`: it runs beside this Jupyter server. */
  readonly mode: 'hub' | 'here';
  readonly apps: readonly App[];
  /** Sentences about templates that could not be used. */
  readonly problems: readonly string[];
}

export interface Session {
  readonly name: string;
  readonly app: string;
  readonly title: string;
  readonly state: SessionState;
  /** Path of the viewer page, from the origin's root. */
  readonly url: string;
  /** ISO 8601, UTC. */
  readonly started: string | null;
  readonly last_activity: string | null;
  /** Since when it has been frozen or asleep. ISO 8601, UTC. */
  readonly asleep_since?: string | null;
  /** Of one that sleeps with its memory: bytes on disk. */
  readonly asleep_bytes?: number | null;
  /** Of a running one: whether its memory can be kept; null: not known (yet). */
  readonly memory?: boolean | null;
  /** Why its memory cannot be kept: a sentence. */
  readonly why_not?: string | null;
}

/** One event of a session's start. */
export interface Progress {
  /** Per cent. */
  readonly progress: number;
  readonly message: string;
  readonly ready?: boolean;
  readonly failed?: boolean;
  readonly url?: string;
}

/** Where a start stands that waits for room on the hub. */
export interface Queue {
  /** 1: the next one. */
  readonly position: number;
  /** Seconds, as it went lately; null where nothing is known. */
  readonly wait: number | null;
  /** Seconds after which the start is to be asked for again; the place is lost a minute after it was. */
  readonly retry_after: number;
}

export interface LaunchRequest {
  readonly app: string;
  readonly open?: string;
}
