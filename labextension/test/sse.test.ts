import { describe, expect, it } from 'vitest';

import { eventData } from '../src/sse';
import { collect } from './server';

function stream(...pieces: (string | Uint8Array)[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      const encoder = new TextEncoder();
      pieces.forEach(piece => controller.enqueue(typeof piece === 'string' ? encoder.encode(piece) : piece));
      controller.close();
    },
  });
}

describe('eventData', () => {
  it.each([
    ['one event', ['data: a\n\n'], ['a']],
    ['two events in one piece', ['data: a\n\ndata: b\n\n'], ['a', 'b']],
    ['an event in many pieces', ['da', 'ta: a', 'b\n', '\n'], ['ab']],
    ['carriage returns', ['data: a\r\n\r\n'], ['a']],
    ['a line end cut in two', ['data: a\r', '\n\r\ndata: b\r\n\r\n'], ['a', 'b']],
    ['several data lines', ['data: a\ndata: b\n\n'], ['a\nb']],
    ['comments and other fields', [': still there\n\nevent: x\nid: 1\ndata:a\n\n'], ['a']],
    ['an event without its end, which is dropped', ['data: a\n\ndata: b\n'], ['a']],
  ])('reads %s', async (_, pieces, expected) => {
    expect(await collect(eventData(stream(...pieces)))).toEqual(expected);
  });

  it('puts a character together that was cut in two', async () => {
    const bytes = new TextEncoder().encode('data: ü\n\n');
    expect(await collect(eventData(stream(bytes.slice(0, 7), bytes.slice(7))))).toEqual(['ü']);
  });

  it('closes the connection when nobody listens any more', async () => {
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: controller => controller.enqueue(new TextEncoder().encode('data: a\n\n')),
      cancel: () => void (cancelled = true),
    });
    const data = eventData(endless);
    await data.next();
    await data.return(undefined);
    expect(cancelled).toBe(true);
  });
});
