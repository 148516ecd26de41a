import { expect, test } from 'vitest';

import { readEvents, type ServerEvent } from '../src/sse';

async function events(...chunks: string[]): Promise<ServerEvent[]> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      chunks.forEach(chunk => controller.enqueue(new TextEncoder().encode(chunk)));
      controller.close();
    },
  });
  const found: ServerEvent[] = [];
  for await (const event of readEvents(body)) {
    found.push(event);
  }
  return found;
}

test('an event has its kind, its id and its data, wherever the network cuts it', async () => {
  expect(await events('event: ses', 'sion\nid: 7\nda', 'ta: {"a":\r\ndata: 1}\n', '\n')).toEqual([
    { kind: 'session', id: '7', data: '{"a":\n1}' },
  ]);
});

test('an id alone says where we are; comments say nothing', async () => {
  expect(await events(': still here\n\nid: 3\n: from here on\n\n')).toEqual([
    { kind: 'message', id: '3', data: null },
  ]);
});

test('what was cut off at the end is no event', async () => {
  expect(await events('data: 1\n\ndata: 2\n')).toEqual([{ kind: 'message', id: null, data: '1' }]);
});
