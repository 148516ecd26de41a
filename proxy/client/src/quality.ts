/**
 * What the encoder spends its bits on: chosen for the whole session by whoever controls it. The choice is this
 * browser's, too: the next session begins with it.
 */

import { recallPreset, rememberPreset } from './memory';
import type { Hello, Preset, Send } from './protocol';
import type { QualityMenu } from './ui/quality_menu';

export class Quality {
  private preset: Preset | null = null;

  constructor(
    private readonly send: Send,
    private readonly menu: QualityMenu,
  ) {}

  /** A session has said what it has. */
  greeted(hello: Hello): void {
    const presets = hello.role === 'viewer' ? [] : (hello.presets ?? []);
    this.preset = hello.preset ?? null;
    this.menu.offer(presets, this.preset);
    const wanted = recallPreset();
    if (wanted && wanted !== this.preset && presets.includes(wanted)) {
      this.send({ type: 'quality', preset: wanted });
    }
  }

  choose(preset: Preset): void {
    rememberPreset(preset);
    this.send({ type: 'quality', preset });
  }

  /** The session has another one now, whoever chose it. */
  changed(preset: Preset): void {
    this.preset = preset;
    this.menu.select(preset);
  }
}
