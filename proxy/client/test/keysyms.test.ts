import { expect, it } from 'vitest';
import { keysymOf, keysymsOfText } from '../src/input/keysyms';

it.each([
  ['a', 'KeyA', 0, 0x61],
  ['A', 'KeyA', 0, 0x41],
  [' ', 'Space', 0, 0x20],
  ['ü', 'BracketLeft', 0, 0xfc],
  ['ß', 'Minus', 0, 0xdf],
  ['м', 'KeyV', 0, 0x0100_043c],
  ['あ', 'Digit3', 0, 0x0100_3042],
  ['€', 'KeyE', 0, 0x0100_20ac],
  ['😀', '', 0, 0x0101_f600],
  ['Enter', 'Enter', 0, 0xff0d],
  ['Enter', 'NumpadEnter', 3, 0xff8d],
  ['7', 'Numpad7', 3, 0xffb7],
  ['Home', 'Numpad7', 3, 0xff95],
  ['.', 'NumpadDecimal', 3, 0xffae],
  ['=', 'NumpadEqual', 3, 0xffbd],
  ['Shift', 'ShiftLeft', 1, 0xffe1],
  ['Shift', 'ShiftRight', 2, 0xffe2],
  ['Control', 'ControlRight', 2, 0xffe4],
  ['Alt', 'AltLeft', 1, 0xffe9],
  ['Meta', 'MetaLeft', 1, 0xffeb],
  ['F1', 'F1', 0, 0xffbe],
  ['F12', 'F12', 0, 0xffc9],
  ['F24', 'F24', 0, 0xffd5],
  ['Escape', 'Escape', 0, 0xff1b],
  ['Delete', 'Delete', 0, 0xffff],
])('maps %j (%s, location %i)', (key, code, location, keysym) => {
  expect(keysymOf({ key, code, location })).toBe(keysym);
});

it.each(['Dead', 'Unidentified', 'Process', 'AltGraph', 'CapsLock', 'NumLock', 'Fn', 'F99', 'LaunchMail'])(
  'sends nothing for %s',
  key => {
    expect(keysymOf({ key, code: 'X', location: 0 })).toBeNull();
  },
);

it('types text with its line ends', () => {
  expect(keysymsOfText('a\r\nя\t')).toEqual([0x61, 0xff0d, 0x0100_044f, 0xff09]);
});
