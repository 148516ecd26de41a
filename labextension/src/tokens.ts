/**
 * The words shared by all modules: what the Jupyter server's API speaks, and the names of our commands.
 * No code that does anything.
 *
 * What this API shares with the service's is typed by the latter's OpenAPI document (`npm run generate -w streamspace_hub/pages`).
 */
import type { components } from './schema';

type Schemas = components['schemas'];

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
export type SessionState = Schemas['SessionState'];

/** What can be done to a session so that it wakes as it was. */
export type Sleep = 'freeze' | 'hibernate';

/** One entry of the catalog; `icon` is a `data:` URL of an SVG image. */
export interface App extends Readonly<Omit<Schemas['App'], 'favorite'>> {
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

/** One of the user's own sessions. */
export type Session = Readonly<Omit<Schemas['UserSession'], 'user' | 'message' | 'storage'>>;

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
export interface Queue extends Readonly<Schemas['QueuePlace']> {
  /** Seconds after which the start is to be asked for again; the place is lost a minute after it was. */
  readonly retry_after: number;
}

/** `open`: a file, relative to the folder that the file browser shows. */
export type LaunchRequest = Readonly<Pick<Schemas['CreateSession'], 'app' | 'open'>>;
