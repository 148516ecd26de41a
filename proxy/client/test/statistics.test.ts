import { expect, it } from 'vitest';
import type { PageStatistics } from '../src/api';
import { rows } from '../src/ui/statistics';

const figures: PageStatistics = {
  frames: 100,
  fps: 30,
  bytes: 1e6,
  bitrate: 2e6,
  targetBitrate: null,
  latency: null,
  inputLatency: null,
  captureLatency: null,
  phases: {},
  viewers: null,
  roundTrip: 12,
  dropped: 0,
  packets: null,
  freezes: 0,
  freezeMs: 0,
  switches: 0,
  firstPicture: null,
  transport: 'http',
  codec: 'avc1.42e028',
  picture: null,
  screen: { width: 800, height: 600 },
  audio: 0,
};

it('shows where the time went in the session, the first picture, changes of transport and viewers', () => {
  const spread = { p50: 2, p95: 7.6 };
  const phases = { queue: spread, capture: spread, encode: spread };
  const shown = rows({ ...figures, phases, viewers: 3, firstPicture: 123.4, switches: 1 });
  const from = shown.findIndex(([label]) => label === 'Session: capture');
  expect(shown.slice(from, from + 3)).toEqual([
    ['Session: capture', '2 ms (95 %: 8)'],
    ['Session: encode', '2 ms (95 %: 8)'],
    ['Session: wait to leave', '2 ms (95 %: 8)'],
  ]);
  expect(shown.slice(-3)).toEqual([
    ['First picture', '123 ms'],
    ['Changes of transport', '1'],
    ['Viewers', '3'],
  ]);
});

it('says on WebRTC how many packets were lost and sent again', () => {
  const shown = rows({ ...figures, packets: { received: 990, lost: 10, retransmitted: 25 } });
  expect(shown).toContainEqual(['Packets lost · sent again', '10 (1.0 %) · 25']);
  const none = rows({ ...figures, packets: { received: 990, lost: 0, retransmitted: 0 } });
  expect(none).toContainEqual(['Packets lost · sent again', '0 · 0']);
});

it('leaves out what nobody says', () => {
  const labels = rows(figures).map(([label]) => label);
  expect(labels).not.toContain('Viewers');
  expect(labels).not.toContain('Packets lost · sent again');
  expect(labels.filter(label => label.startsWith('Session'))).toEqual([]);
  expect(rows(figures)[0]).toEqual(['Transport', 'HTTP requests']);
});
