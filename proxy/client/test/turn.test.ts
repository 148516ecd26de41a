import { expect, it } from 'vitest';
import { TurnServers } from '../src/turn';

const [EARLY, LATE] = ['1:ann', '2:ann'].map(username => ({ urls: ['turn:turn.example.org'], username }));

function servers(given: RTCIceServer[], answer: RTCIceServer[] | null) {
  const clock = { now: 1000, asked: 0 };
  const turn = new TurnServers(
    given,
    () => {
      clock.asked += 1;
      return Promise.resolve(answer);
    },
    () => clock.now,
  );
  return { clock, turn };
}

it('takes what hello brought while it is young, and then what the server has now', async () => {
  const { clock, turn } = servers([EARLY!], [LATE!]);
  clock.now += 29_000;
  expect(turn.old).toBe(false);
  clock.now += 12 * 3600_000;
  expect(turn.old).toBe(true);
  await turn.refresh();
  expect(turn.known).toEqual([LATE]);
  expect(turn.old).toBe(false);
});

it('keeps the old ones where there is no answer, and asks again', async () => {
  const { clock, turn } = servers([EARLY!], null);
  clock.now += 60_000;
  await turn.refresh();
  expect(turn.known).toEqual([EARLY]);
  expect(turn.old).toBe(true);
  expect(clock.asked).toBe(1);
});

it('asks nobody where there is no TURN', () => {
  const { clock, turn } = servers([], [LATE!]);
  clock.now += 60_000;
  expect(turn.old).toBe(false);
});
