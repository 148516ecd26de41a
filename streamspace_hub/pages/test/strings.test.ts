import { readdirSync, readFileSync } from 'node:fs';

import ts from 'typescript';
import { expect, test } from 'vitest';

import { chooseLanguage, LANGUAGES } from '../src/strings';

const SOURCES = new URL('../src/', import.meta.url);
const DOCUMENT = new URL('../../../docs/reference/openapi.json', import.meta.url);
const WORDS = /\p{L}{2}/u;
/** Attributes of elements that a user sees or hears. */
const SEEN = ['aria-label', 'aria-description', 'alt', 'label', 'placeholder', 'title'];
/** The same in both languages. */
const SAME = ['hubHome', 'categoryName.Desktop', 'categoryName.Internet', 'categoryName.System'];

test.each([
  [['de-AT', 'en'], 'de'],
  [['fr', 'de'], 'de'],
  [['fr-CA', 'ja'], 'en'],
  [['EN-us'], 'en'],
  [[], 'en'],
])('of %j, %s is chosen', (wanted, language) => {
  expect(chooseLanguage(wanted)).toBe(language);
});

/** All texts and functions of a language, each under the way to it, such as `state.running`. */
function leaves(of: object, way = ''): Map<string, unknown> {
  return new Map(
    Object.entries(of).flatMap(([key, value]): [string, unknown][] =>
      typeof value === 'object' && value !== null
        ? [...leaves(value as object, `${way}${key}.`)]
        : [[way + key, value]],
    ),
  );
}

test('each language has every text, and none was left untranslated', () => {
  const [en, de] = [leaves(LANGUAGES.en), leaves(LANGUAGES.de)];
  expect([...de.keys()].sort()).toEqual([...en.keys()].sort());
  const same = [...en].filter(
    ([way, text]) => WORDS.test(String(text)) && String(text) === String(de.get(way)),
  );
  expect(same.map(([way]) => way)).toEqual(SAME);
});

test('whatever may be set has a name', () => {
  const { components } = JSON.parse(readFileSync(DOCUMENT, 'utf8')) as {
    components: { schemas: Record<string, { properties: object }> };
  };
  const settings = ['PolicyDefaults', 'Ladder', 'Quota', 'Together'].flatMap(name =>
    Object.keys(components.schemas[name]?.properties ?? {}),
  );
  expect(settings.length).toBeGreaterThan(30);
  expect(settings.filter(name => !(name in LANGUAGES.en.settingName))).toEqual([]);
});

/** The texts that a component shows by itself, and not out of a language's. */
function ownTexts(source: ts.SourceFile): string[] {
  const found: string[] = [];
  function look(node: ts.Node): void {
    if (ts.isJsxText(node)) {
      found.push(node.text);
    } else if (ts.isStringLiteral(node) && isShown(node)) {
      found.push(node.text);
    }
    ts.forEachChild(node, look);
  }
  look(source);
  return found.filter(text => WORDS.test(text));
}

function isShown({ parent }: ts.StringLiteral): boolean {
  if (ts.isJsxAttribute(parent)) {
    return SEEN.includes(parent.name.getText());
  }
  return ts.isJsxExpression(parent) && !ts.isJsxAttribute(parent.parent);
}

test.each(readdirSync(SOURCES).filter(name => name.endsWith('.tsx')))('%s has no text of its own', name => {
  const text = readFileSync(new URL(name, SOURCES), 'utf8');
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX);
  expect(ownTexts(source)).toEqual([]);
});
