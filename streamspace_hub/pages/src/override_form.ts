/** An override as a form has it, a text for each field, and back. What the texts may be is the service's to say. */

import type { Override } from './api';

type Part = keyof Required<Override>;
type Fields<P extends Part> = keyof Required<NonNullable<Override[P]>>;

/** How a value is written: `hours` and `budget` as `20 / 7`, so many in so many days; an array lists what is accepted. */
export type Input = 'yesno' | 'number' | 'text' | 'list' | 'hours' | 'budget' | readonly string[];

const POLICY: Record<Fields<'policy'>, Input> = {
  clipboard: ['both', 'in', 'out', 'none'],
  clipboard_limit: 'number',
  audio: 'yesno',
  microphone: 'yesno',
  max_width: 'number',
  max_height: 'number',
  max_fps: 'number',
  max_bitrate: 'number',
  min_bitrate: 'number',
  max_viewers: 'number',
  busy_cpu: 'number',
  busy_gpu: 'number',
  busy_processes: 'list',
  busy_limit: 'number',
  step_up: 'number',
  allow_networks: 'list',
  deny_networks: 'list',
  browser_sandbox: 'yesno',
};

const QUOTA: Record<Fields<'quota'>, Input> = {
  sessions: 'number',
  cpu: 'number',
  memory: 'text',
  gpus: 'number',
  session_hours: 'hours',
  gpu_hours: 'hours',
  budget: 'budget',
  storage: 'text',
};

const TOGETHER: Record<Fields<'together'>, Input> = {
  sessions: 'number',
  cpu: 'number',
  memory: 'text',
  gpus: 'number',
  budget: 'budget',
};

const SLEEP: Record<Fields<'sleep'>, Input> = {
  freeze_after: 'number',
  hibernate_after: 'number',
  stop_after: 'number',
  delete_after: 'number',
  max_duration: 'number',
  quiet_hours: 'list',
  quiet_after: 'number',
  quiet_step: ['freeze', 'hibernate', 'stop'],
};

export const PARTS: Record<Part, Record<string, Input>> = {
  policy: POLICY,
  quota: QUOTA,
  together: TOGETHER,
  sleep: SLEEP,
};
/** Of the input of `hours` and `budget`. */
export const IN_DAYS_PATTERN = '\\s*\\d+(\\.\\d+)?\\s*/\\s*\\d+\\s*';

/** Texts by part and field; empty: not overridden. */
export type Draft = Record<Part, Record<string, string>>;

export function emptyDraft(): Draft {
  return { policy: {}, quota: {}, together: {}, sleep: {} };
}

export function draftOf(override: Override): Draft {
  const draft = emptyDraft();
  for (const part of Object.keys(PARTS) as Part[]) {
    for (const [field, value] of Object.entries<Written>(override[part] ?? {})) {
      draft[part][field] = textOf(value);
    }
  }
  return draft;
}

export function overrideOf(draft: Draft): Override {
  const found: Record<string, Record<string, unknown>> = {};
  for (const part of Object.keys(PARTS) as Part[]) {
    const written = Object.entries(PARTS[part]).filter(([field]) => (draft[part][field] ?? '').trim() !== '');
    found[part] = Object.fromEntries(
      written.map(([field, input]) => [field, valueOf(draft[part][field] ?? '', input)]),
    );
  }
  // What was typed may be of no use; the service says so.
  return found;
}

type Written =
  | string
  | number
  | boolean
  | readonly string[]
  | Readonly<Record<'hours' | 'days', number>>
  | Readonly<Record<'amount' | 'days', number>>
  | null;

function textOf(value: Written): string {
  if (value === null) {
    return '';
  }
  if (typeof value === 'object') {
    if ('days' in value) {
      return `${'hours' in value ? value.hours : value.amount} / ${value.days}`;
    }
    return value.join(', ');
  }
  return String(value);
}

function valueOf(text: string, input: Input): unknown {
  if (input === 'yesno') {
    return text === 'true';
  }
  if (input === 'number') {
    return Number(text);
  }
  if (input === 'list') {
    return text
      .split(',')
      .map(one => one.trim())
      .filter(one => one !== '');
  }
  if (input === 'hours' || input === 'budget') {
    const [many, days] = text.split('/').map(Number);
    return input === 'hours' ? { hours: many, days } : { amount: many, days };
  }
  return text.trim();
}
