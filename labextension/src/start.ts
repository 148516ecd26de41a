/**
 * From a click to a picture's address: what a desktop tab shows, step by step. Pure apart from the API calls; knows
 * no widget and no words of its own (what users read comes from the server, or is chosen by the widget from `kind`).
 */
import { ApiError, type Api } from './api';
import type { LaunchRequest, Queue, Session, SessionState } from './tokens';

/** What a tab shows. */
export type Step =
  | { readonly kind: 'progress'; readonly percent: number; readonly message: string }
  | { readonly kind: 'queued'; readonly queue: Queue }
  | { readonly kind: 'picture'; readonly session: Session; readonly url: string }
  | { readonly kind: 'asleep'; readonly session: Session }
  | { readonly kind: 'stopped' }
  /** It waited for room, and nobody wants it any more. */
  | { readonly kind: 'given-up' }
  | { readonly kind: 'failed'; readonly message: string };

/** What a session's state means for a tab that shows it. */
export function phase(state: SessionState): 'waiting' | 'live' | 'asleep' | 'over' {
  switch (state) {
    case 'starting':
    case 'resuming':
      return 'waiting';
    // The streamer outlives its frozen desktop: its page shows the last picture, and thaws it.
    case 'running':
    case 'frozen':
      return 'live';
    case 'hibernating':
    case 'sleeping':
      return 'asleep';
    case 'stopping':
    case 'stopped':
    case 'failed':
      return 'over';
  }
}

/** Whether its processes can be stopped so that they keep their memory. */
export function canFreeze({ state }: Session): boolean {
  return state === 'running';
}

/** Whether its memory can be put on disk. */
export function canHibernate({ state, memory }: Session): boolean {
  return phase(state) === 'live' && memory === true;
}

/** Longest wait before a progress stream that broke off is asked for again, in seconds. */
const LONGEST_PAUSE = 5;
/** How often a session that has been started is looked for while nothing answers: half a minute without a network. */
const LOOKS = 8;

/**
 * Start the app (or wake it, or find it running) and yield the steps until there is a picture or a failure. While the
 * hub has no room, ask again as often as it says, which keeps our place.
 */
export async function* launch(api: Api, request: LaunchRequest, signal: AbortSignal): AsyncGenerator<Step> {
  for (;;) {
    const answer = await ask(api, request, signal);
    if ('state' in answer) {
      yield* follow(api, answer, signal);
      return;
    }
    yield { kind: 'queued', queue: answer };
    await pause(1000 * answer.retry_after, signal);
  }
}

async function ask(api: Api, request: LaunchRequest, signal: AbortSignal): Promise<Session | Queue> {
  try {
    return await api.launch(request, signal);
  } catch (error) {
    if (error instanceof ApiError && error.queue) {
      return error.queue;
    }
    throw error;
  }
}

/** Yield the steps of a session as it is now, without starting anything. */
export async function* attach(api: Api, name: string, signal: AbortSignal): AsyncGenerator<Step> {
  yield* follow(api, await find(api, name), signal);
}

async function* follow(api: Api, found: Session | undefined, signal: AbortSignal): AsyncGenerator<Step> {
  let session = found;
  for (let attempt = 0; session && phase(session.state) === 'waiting'; attempt++) {
    for await (const step of watch(api, session, signal)) {
      yield step;
      if (step.kind !== 'progress') {
        return;
      }
    }
    // The stream ended without a verdict (a proxy's time limit, a restarted hub): where does the session stand? Who
    // says that it is still starting also knows when that has taken too long.
    await pause(1000 * Math.min(attempt, LONGEST_PAUSE), signal);
    session = await findAgain(api, session.name, signal);
  }
  yield settled(session);
}

async function* watch(api: Api, session: Session, signal: AbortSignal): AsyncGenerator<Step> {
  try {
    for await (const event of api.progress(session.name, signal)) {
      if (event.failed) {
        yield { kind: 'failed', message: event.message };
      } else if (event.ready) {
        yield { kind: 'picture', session, url: event.url ?? session.url };
      } else {
        yield { kind: 'progress', percent: clamp(event.progress), message: event.message };
      }
    }
  } catch (error) {
    // A refusal is an answer; anything else is a broken connection, which the caller mends.
    if (error instanceof ApiError || signal.aborted) {
      throw error;
    }
  }
}

function settled(session: Session | undefined): Step {
  const where = session ? phase(session.state) : 'over';
  if (session && where === 'live') {
    return { kind: 'picture', session, url: session.url };
  }
  return session && where === 'asleep' ? { kind: 'asleep', session } : { kind: 'stopped' };
}

async function find(api: Api, name: string): Promise<Session | undefined> {
  return (await api.sessions()).find(session => session.name === name);
}

/** Find a session whose start goes on while the network is away; a refusal is an answer. */
async function findAgain(api: Api, name: string, signal: AbortSignal): Promise<Session | undefined> {
  for (let look = 1; ; look++) {
    try {
      return await find(api, name);
    } catch (error) {
      if (error instanceof ApiError || signal.aborted || look === LOOKS) {
        throw error;
      }
      await pause(1000 * Math.min(look, LONGEST_PAUSE), signal);
    }
  }
}

function clamp(percent: number): number {
  return Math.max(0, Math.min(100, percent));
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}

/** `url` as an absolute address of this very origin, or null: a tab shows nothing from anywhere else. */
export function ownAddress(url: string, base: string): string | null {
  try {
    const address = new URL(url, base);
    const { origin } = new URL(base);
    return origin !== 'null' && address.origin === origin ? address.href : null;
  } catch {
    return null;
  }
}
