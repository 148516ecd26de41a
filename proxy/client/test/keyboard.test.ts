import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Keyboard, type KeyboardOptions } from '../src/input/keyboard';

/** A text area as far as the keyboard knows it. */
class Surface extends EventTarget {
  value = '';
}

class Keys {
  readonly sent: string[] = [];
  readonly surface = new Surface();
  readonly keyboard: Keyboard;
  left = 0;

  constructor(options: Partial<KeyboardOptions> = {}) {
    this.keyboard = new Keyboard({
      send: message => this.sent.push(describeMessage(message)),
      mac: false,
      windows: false,
      onInput: () => undefined,
      onEscapeChord: () => (this.left += 1),
      holdsPaste: () => false,
      ...options,
    });
    this.keyboard.attach(this.surface as unknown as HTMLTextAreaElement);
  }

  /** Dispatches an event; true: the browser's own action was prevented. */
  event(type: string, fields: Record<string, unknown>): boolean {
    const event = Object.assign(new Event(type, { cancelable: true }), {
      location: 0,
      ctrlKey: false,
      altKey: false,
      shiftKey: false,
      metaKey: false,
      isComposing: false,
      repeat: false,
      getModifierState: () => false,
      ...fields,
    });
    return !this.surface.dispatchEvent(event);
  }

  down(key: string, code: string, fields: Record<string, unknown> = {}): boolean {
    return this.event('keydown', { key, code, ...fields });
  }

  up(key: string, code: string, fields: Record<string, unknown> = {}): boolean {
    return this.event('keyup', { key, code, ...fields });
  }
}

function describeMessage(message: { type: string }): string {
  return 'keysym' in message
    ? `${(message as { down?: boolean }).down ? '+' : '-'}${Number(message.keysym).toString(16)}`
    : message.type;
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('keyboard', () => {
  it('lifts a key with the keysym that it was pressed with, whatever the modifiers are by then', () => {
    const keys = new Keys();
    keys.down('Shift', 'ShiftLeft', { location: 1 });
    keys.down('A', 'KeyA', { shiftKey: true });
    keys.up('Shift', 'ShiftLeft', { location: 1 });
    keys.up('a', 'KeyA');
    expect(keys.sent).toEqual(['+ffe1', '+41', '-ffe1', '-41']);
  });

  it('repeats while the browser does', () => {
    const keys = new Keys();
    keys.down('x', 'KeyX');
    keys.down('x', 'KeyX', { repeat: true });
    keys.up('x', 'KeyX');
    expect(keys.sent).toEqual(['+78', '+78', '-78']);
  });

  it('keeps the browser’s shortcuts from the browser', () => {
    expect(new Keys().down('s', 'KeyS', { ctrlKey: true })).toBe(true);
  });

  it('does not lift what it did not press', () => {
    const keys = new Keys();
    keys.up('a', 'KeyA');
    expect(keys.sent).toEqual([]);
  });

  it('lets go of everything when it loses the focus', () => {
    const keys = new Keys();
    keys.down('Control', 'ControlLeft', { location: 1 });
    keys.surface.dispatchEvent(new Event('blur'));
    keys.up('Control', 'ControlLeft', { location: 1 });
    expect(keys.sent).toEqual(['+ffe3', 'release_keys']);
  });

  it('leaves dead keys and input methods to the browser and types what they make', () => {
    const keys = new Keys();
    expect(keys.down('Dead', 'Equal')).toBe(false);
    expect(keys.down('Process', 'KeyN', { isComposing: true })).toBe(false);
    keys.event('compositionend', { data: '日é' });
    expect(keys.sent).toEqual(['+10065e5', '-10065e5', '+e9', '-e9']);
  });

  it('types what an on-screen keyboard writes', () => {
    const keys = new Keys();
    keys.down('Unidentified', '');
    keys.event('input', { inputType: 'insertText', data: 'hi' });
    keys.event('input', { inputType: 'deleteContentBackward', data: null });
    expect(keys.sent).toEqual(['+68', '-68', '+69', '-69', '+ff08', '-ff08']);
  });

  it('has a way out without a mouse', () => {
    const keys = new Keys();
    keys.down('Control', 'ControlLeft', { location: 1, ctrlKey: true });
    keys.down('Shift', 'ShiftLeft', { location: 1, ctrlKey: true, altKey: true, shiftKey: true });
    expect(keys.left).toBe(1);
    expect(keys.sent).toEqual(['+ffe3', 'release_keys']);
  });
});

describe('AltGr', () => {
  it('on Windows is no Control', () => {
    const keys = new Keys({ windows: true });
    keys.down('Control', 'ControlLeft', { location: 1 });
    keys.down('AltGraph', 'AltRight', { location: 2 });
    keys.down('@', 'KeyQ', { ctrlKey: true, altKey: true });
    keys.up('@', 'KeyQ');
    keys.up('Control', 'ControlLeft');
    keys.up('AltGraph', 'AltRight');
    vi.advanceTimersByTime(100);
    expect(keys.sent).toEqual(['+40', '-40']);
  });

  it('a real Control on Windows is only a little later, and never after the next key', () => {
    const keys = new Keys({ windows: true });
    keys.down('Control', 'ControlLeft', { location: 1 });
    keys.down('c', 'KeyC', { ctrlKey: true });
    keys.up('c', 'KeyC');
    keys.up('Control', 'ControlLeft');
    keys.down('Control', 'ControlLeft', { location: 1 });
    vi.advanceTimersByTime(100);
    expect(keys.sent).toEqual(['+ffe3', '+63', '-63', '-ffe3', '+ffe3']);
  });
});

describe('on a Mac', () => {
  it('Command is Control, and keys held with it are lifted with it', () => {
    const keys = new Keys({ mac: true });
    keys.down('Meta', 'MetaLeft', { location: 1 });
    keys.down('c', 'KeyC', { metaKey: true });
    keys.up('Meta', 'MetaLeft', { location: 1 });
    expect(keys.sent).toEqual(['+ffe3', '+63', '-63', '-ffe3']);
  });

  it('Option types its characters without Alt', () => {
    const keys = new Keys({ mac: true });
    keys.down('Alt', 'AltLeft', { location: 1, altKey: true });
    keys.down('@', 'KeyL', { altKey: true });
    keys.up('@', 'KeyL', { altKey: true });
    keys.up('Alt', 'AltLeft', { location: 1 });
    expect(keys.sent).toEqual(['+ffe9', '-ffe9', '+40', '-40']);
  });
});

describe('paste', () => {
  const chords: [string, string, Record<string, unknown>][] = [
    ['v', 'KeyV', { ctrlKey: true }],
    ['V', 'KeyV', { ctrlKey: true, shiftKey: true }],
    ['v', 'KeyV', { metaKey: true }],
    ['Insert', 'Insert', { shiftKey: true }],
  ];

  it.each(chords)('%s (%s, %j) waits for the text', (key, code, fields) => {
    const keys = new Keys({ holdsPaste: () => true });
    expect(keys.down(key, code, fields)).toBe(false);
    expect(keys.sent).toEqual([]);
    keys.keyboard.pasteArrived(true);
    keys.up(key, code, fields);
    expect(keys.sent.map(sent => sent[0])).toEqual(['+', '-']);
  });

  it('presses nothing when the text may not go in', () => {
    const keys = new Keys({ holdsPaste: () => true });
    keys.down('v', 'KeyV', { ctrlKey: true });
    keys.keyboard.pasteArrived(false);
    keys.up('v', 'KeyV', { ctrlKey: true });
    expect(keys.sent).toEqual([]);
  });

  it('is an ordinary key where there is nothing to paste, or the policy has it off', () => {
    const empty = new Keys({ holdsPaste: () => true });
    empty.down('v', 'KeyV', { ctrlKey: true });
    empty.up('v', 'KeyV');
    const off = new Keys();
    expect(off.down('v', 'KeyV', { ctrlKey: true })).toBe(true);
    off.up('v', 'KeyV');
    expect([empty.sent, off.sent]).toEqual([
      ['+76', '-76'],
      ['+76', '-76'],
    ]);
  });
});
