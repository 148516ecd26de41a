/**
 * Clipboard text between the session and this computer, as far as the policy and the browser allow. The browser
 * decides when a page may read or write; what it refuses is kept for the next click or key, and for the panel.
 */

import { utf8Length, type ClipboardPolicy, type Send } from '../protocol';

export interface ClipboardOptions {
  send: Send;
  /** Session text arrived; `copied`: it is in this computer's clipboard as well. */
  onText: (text: string, copied: boolean) => void;
  /** `text` is larger than the policy allows. */
  onTooLarge: (bytes: number, limit: number) => void;
}

export class Clipboard {
  private policy: ClipboardPolicy = 'none';
  private limit = 0;
  /** What both sides have, to send nothing back and forth. */
  private shared: string | null = null;
  /** From the session, not yet in this computer's clipboard. */
  private unwritten: string | null = null;

  constructor(private readonly options: ClipboardOptions) {}

  allow(policy: ClipboardPolicy, limit: number): void {
    this.policy = policy;
    this.limit = limit;
  }

  get mayEnter(): boolean {
    return this.policy === 'both' || this.policy === 'in';
  }

  get mayLeave(): boolean {
    return this.policy === 'both' || this.policy === 'out';
  }

  /** The session's text, as last heard of. */
  get text(): string {
    return this.shared ?? '';
  }

  /** The session's clipboard changed. */
  async receive(text: string): Promise<void> {
    this.shared = text;
    this.unwritten = text;
    await this.writeOut();
    this.options.onText(text, this.unwritten === null);
  }

  /** A click or key: the moment when browsers allow what they refused before. */
  async gesture(): Promise<void> {
    if (this.unwritten !== null && (await this.writeOut())) {
      this.options.onText(this.text, true);
    }
  }

  /** Bring `text` into the session. False: it is too large, and the user has been told. */
  sendText(text: string): boolean {
    const bytes = utf8Length(text);
    if (bytes > this.limit) {
      this.options.onTooLarge(bytes, this.limit);
      return false;
    }
    if (text !== this.shared) {
      this.shared = text;
      this.unwritten = null;
      this.options.send({ type: 'clipboard', text });
    }
    return true;
  }

  /** Read this computer's clipboard and bring it in; the browser may ask the user first. False: it was refused. */
  async readIn(): Promise<boolean> {
    try {
      return this.sendText(await navigator.clipboard.readText());
    } catch {
      return false;
    }
  }

  /** The page got the focus: bring in what was copied elsewhere, if that needs no question. */
  async focused(): Promise<void> {
    if (!this.mayEnter || this.unwritten !== null || !document.hasFocus()) {
      return;
    }
    if ((await readPermission()) === 'granted') {
      const before = this.shared;
      const text = await navigator.clipboard.readText().catch(() => '');
      // What the session copied meanwhile is newer than what was read.
      if (text !== '' && utf8Length(text) <= this.limit && this.shared === before) {
        this.sendText(text);
      }
    }
  }

  /** Put the session's text into this computer's clipboard. False: the browser refuses for now. */
  async writeOut(): Promise<boolean> {
    const text = this.unwritten ?? this.shared;
    if (text === null) {
      return false;
    }
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      return false;
    }
    if (this.unwritten === text) {
      this.unwritten = null;
    }
    return true;
  }
}

async function readPermission(): Promise<PermissionState> {
  try {
    const status = await navigator.permissions.query({ name: 'clipboard-read' as PermissionName });
    return status.state;
  } catch {
    // Firefox and Safari know no such permission: they ask at each read.
    return 'prompt';
  }
}
