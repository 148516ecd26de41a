/** Entry of the viewer page: reads what the server wrote into it and starts. */

import type { PageConfig } from './api';
import { TRANSPORTS, type Transport } from './protocol';
import { strings } from './strings';
import { Viewer } from './viewer';

function readConfig(): PageConfig {
  const text = document.getElementById('streamspace-config')?.textContent ?? '{}';
  const config = JSON.parse(text) as Partial<PageConfig>;
  const app = config.app ?? { name: '', title: document.title };
  return { ...config, app, hub: config.hub ?? null, view: config.view ?? false };
}

function root(): HTMLElement {
  const existing = document.getElementById('streamspace');
  if (existing) {
    return existing;
  }
  const made = document.createElement('div');
  made.id = 'streamspace';
  document.body.append(made);
  return made;
}

const query = new URLSearchParams(location.search);
const asked = query.get('transport');
const forced = TRANSPORTS.find((name): name is Transport => name === asked) ?? null;
const viewer = new Viewer(root(), readConfig(), { forced, relayOnly: query.get('ice') === 'relay' });
window.streamspace = viewer.api;
void viewer.start();
if (asked && !forced) {
  viewer.tell(strings.unknownTransport(asked));
}
