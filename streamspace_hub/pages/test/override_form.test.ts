import { expect, test } from 'vitest';

import { draftOf, overrideOf } from '../src/override_form';

test('what was read and not touched is written as it was', () => {
  const override = {
    policy: { clipboard: 'none', audio: false, max_fps: 25, busy_processes: ['make', 'rsync'] },
    quota: {
      sessions: 0,
      memory: '8G',
      session_hours: { hours: 2.5, days: 7 },
      budget: { amount: 19.99, days: 30 },
      storage: '20G',
    },
    together: { gpus: 4, budget: { amount: 500, days: 30 } },
    sleep: { stop_after: 0, quiet_hours: ['22:00-06:00'], quiet_step: 'stop' },
  } as const;
  // The service says null where nothing is set.
  const read = { ...override, policy: { ...override.policy, microphone: null } };
  expect(overrideOf(draftOf(read as never))).toEqual(override);
});

test('what is emptied is no longer set', () => {
  const draft = draftOf({ policy: { max_fps: 25, audio: true } });
  draft.policy.max_fps = ' ';
  expect(overrideOf(draft)).toEqual({ policy: { audio: true }, quota: {}, together: {}, sleep: {} });
});

test('what is no number is left to the service to refuse', () => {
  const draft = draftOf({});
  draft.quota.session_hours = 'many';
  expect(JSON.stringify(overrideOf(draft).quota)).toBe('{"session_hours":{"hours":null}}');
});
