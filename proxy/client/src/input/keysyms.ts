/**
 * From a browser's key event to an X11 keysym. Pure: a table for named keys, Latin-1 as it is, and the Unicode range
 * of keysyms (X11 protocol, appendix A) for everything else.
 */

export interface KeyLike {
  key: string;
  code: string;
  location: number;
}

const RIGHT = 2;
const NUMPAD = 3;

/** Named keys (UI Events `key` values) that are in one place only. */
const NAMED: Readonly<Record<string, number>> = {
  Backspace: 0xff08,
  Tab: 0xff09,
  Clear: 0xff0b,
  Enter: 0xff0d,
  Pause: 0xff13,
  ScrollLock: 0xff14,
  Escape: 0xff1b,
  Compose: 0xff20,
  KanjiMode: 0xff21,
  NonConvert: 0xff22,
  Convert: 0xff23,
  Romaji: 0xff24,
  Hiragana: 0xff25,
  Katakana: 0xff26,
  HiraganaKatakana: 0xff27,
  Zenkaku: 0xff28,
  Hankaku: 0xff29,
  ZenkakuHankaku: 0xff2a,
  HangulMode: 0xff31,
  HanjaMode: 0xff34,
  Eisu: 0xff2f,
  Home: 0xff50,
  ArrowLeft: 0xff51,
  ArrowUp: 0xff52,
  ArrowRight: 0xff53,
  ArrowDown: 0xff54,
  PageUp: 0xff55,
  PageDown: 0xff56,
  End: 0xff57,
  Select: 0xff60,
  PrintScreen: 0xff61,
  Execute: 0xff62,
  Insert: 0xff63,
  Undo: 0xff65,
  Redo: 0xff66,
  ContextMenu: 0xff67,
  Find: 0xff68,
  Cancel: 0xff69,
  Help: 0xff6a,
  Delete: 0xffff,
  Copy: 0x1008ff57,
  Cut: 0x1008ff58,
  Paste: 0x1008ff6d,
  AudioVolumeDown: 0x1008ff11,
  AudioVolumeMute: 0x1008ff12,
  AudioVolumeUp: 0x1008ff13,
  BrowserBack: 0x1008ff26,
  BrowserForward: 0x1008ff27,
};

/** Modifiers: [left or only, right]. */
const MODIFIERS: Readonly<Record<string, readonly [number, number]>> = {
  Shift: [0xffe1, 0xffe2],
  Control: [0xffe3, 0xffe4],
  Alt: [0xffe9, 0xffea],
  Meta: [0xffeb, 0xffec],
  Super: [0xffeb, 0xffec],
  OS: [0xffeb, 0xffec],
  Hyper: [0xffed, 0xffee],
};

/** Keypad keys without Num Lock; digits and operators with it are in `NUMPAD_CHARACTERS`. */
const NUMPAD_NAMED: Readonly<Record<string, number>> = {
  Enter: 0xff8d,
  Home: 0xff95,
  ArrowLeft: 0xff96,
  ArrowUp: 0xff97,
  ArrowRight: 0xff98,
  ArrowDown: 0xff99,
  PageUp: 0xff9a,
  PageDown: 0xff9b,
  End: 0xff9c,
  Clear: 0xff9d,
  Insert: 0xff9e,
  Delete: 0xff9f,
};

const NUMPAD_CHARACTERS = '*+,-./0123456789';
const KP_MULTIPLY = 0xffaa;
const KP_EQUAL = 0xffbd;
const F1 = 0xffbe;

/**
 * Keys whose effect is in `key` already. Caps Lock, Num Lock and AltGr change what the browser reports for the keys
 * after them ("A", "7", "@"), so that pressing them in the session as well would apply them twice.
 */
const LOCAL_ONLY = new Set(['CapsLock', 'NumLock', 'AltGraph', 'Fn', 'FnLock', 'Symbol', 'SymbolLock']);

/** The keysym of one character, as a code point. */
export function keysymOfCodepoint(codepoint: number): number {
  const latin1 = (codepoint >= 0x20 && codepoint <= 0x7e) || (codepoint >= 0xa0 && codepoint <= 0xff);
  return latin1 ? codepoint : 0x0100_0000 | codepoint;
}

/** The keysym for a key event, or null for a key that has none (dead and local keys, unidentified ones). */
export function keysymOf(event: KeyLike): number | null {
  const { key, location } = event;
  if (LOCAL_ONLY.has(key)) {
    return null;
  }
  if (location === NUMPAD) {
    const keypad = keypadKeysym(key);
    if (keypad !== null) {
      return keypad;
    }
  }
  const modifier = MODIFIERS[key];
  if (modifier) {
    return modifier[location === RIGHT ? 1 : 0];
  }
  const named = NAMED[key];
  if (named !== undefined) {
    return named;
  }
  const functionKey = /^F([1-9]|[12]\d|3[0-5])$/.exec(key);
  if (functionKey) {
    return F1 + Number(functionKey[1]) - 1;
  }
  const characters = [...key];
  const codepoint = characters.length === 1 ? key.codePointAt(0) : undefined;
  return codepoint === undefined || codepoint < 0x20 ? null : keysymOfCodepoint(codepoint);
}

function keypadKeysym(key: string): number | null {
  if (key === '=') {
    return KP_EQUAL;
  }
  const index = key.length === 1 ? NUMPAD_CHARACTERS.indexOf(key) : -1;
  return index >= 0 ? KP_MULTIPLY + index : (NUMPAD_NAMED[key] ?? null);
}

/** The keysyms that type `text`; line ends become Return. */
export function keysymsOfText(text: string): number[] {
  return [...text.replace(/\r\n?/g, '\n')].map(character => {
    const codepoint = character.codePointAt(0) ?? 0;
    return character === '\n' ? 0xff0d : character === '\t' ? 0xff09 : keysymOfCodepoint(codepoint);
  });
}
