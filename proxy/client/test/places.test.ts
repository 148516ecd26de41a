import { expect, it } from 'vitest';
import { common, rungs } from '../src/detect';
import { hubOf } from '../src/memory';
import { encodeMicrophone } from '../src/protocol';

it.each([
  ['/user/ada/gimp/streamspace/', '/'],
  ['/user/ada/streamspace/', '/'],
  ['/jupyter/user/ada/gimp/streamspace/', '/jupyter/'],
  ['/streamspace/user/ada/gimp/streamspace/', '/streamspace/'],
  ['/base/streamspace/here/gimp/', '/base/'],
  ['/streamspace/here/gimp/', '/'],
  ['/', '/'],
])('of %s the hub is %s', (path, hub) => {
  expect(hubOf(path)).toBe(hub);
});

it.each([
  [['webrtc', 'websocket', 'rfb'], undefined, ['webrtc', 'websocket', 'rfb']],
  [['websocket', 'rfb'], ['vp8'], ['websocket', 'rfb']],
  [['webrtc', 'websocket', 'rfb'], ['jpeg'], ['websocket', 'rfb']],
  [['webrtc', 'http'], ['jpeg'], ['http']],
  [['webrtc', 'websocket'], [], []],
] as const)('of %j with %j these can be shown: %j', (transports, codecs, shown) => {
  const websocket = ['h264', 'vp8', 'jpeg'] as const;
  const able = { websocket, http: websocket, webrtc: ['h264'], worker: true } as const;
  const hello = { transports: [...transports], ...(codecs && { codecs: [...codecs] }) };
  expect(rungs(able, hello)).toEqual(shown);
});

it('asks for codecs in the order in which the browser likes them', () => {
  expect(common(['h264', 'jpeg'], ['jpeg', 'vp8', 'h264'])).toEqual(['h264', 'jpeg']);
});

it('frames a packet of the microphone as documented', () => {
  const message = new Uint8Array(encodeMicrophone(0x1_0203, new Uint8Array([7, 8])));
  expect([...message]).toEqual([2, 0, 0x02, 0x03, 0, 0, 0, 0, 7, 8]);
});
