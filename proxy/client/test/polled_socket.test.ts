import { expect, it } from 'vitest';
import { pack, unpack } from '../src/polled_socket';

function body(...messages: (string | ArrayBuffer)[]): ArrayBuffer {
  return new Uint8Array(messages.flatMap(message => [...pack(message)])).buffer;
}

it('gives back what was packed, in order', () => {
  const binary = new Uint8Array([0, 1, 255]).buffer;
  expect(unpack(body('{"type":"ping"}', binary, 'č', ''))).toEqual(['{"type":"ping"}', binary, 'č', '']);
  expect(unpack(body())).toEqual([]);
});

it.each([
  ['cut within a header', body('x').slice(0, 4)],
  ['cut within a message', body('text').slice(0, 7)],
  ['of an unknown kind', new Uint8Array([3, 0, 0, 0, 0]).buffer],
])('refuses what is %s', (_, broken) => {
  expect(() => unpack(broken)).toThrow(RangeError);
});
