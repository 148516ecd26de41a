import { expect, test } from 'vitest';

import { chooseLanguage, LANGUAGES, type Strings } from '../src/strings';

test.each([
  [['de-AT', 'en'], 'de'],
  [['fr', 'de'], 'de'],
  [['fr-CA', 'ja'], 'en'],
  [['EN-us'], 'en'],
  [[], 'en'],
])('of %j, %s is chosen', (wanted, language) => {
  expect(chooseLanguage(wanted)).toBe(language);
});

test('no text was left untranslated', () => {
  const same = (Object.keys(LANGUAGES.en) as (keyof Strings)[]).filter(
    key => typeof LANGUAGES.en[key] === 'string' && LANGUAGES.en[key] === LANGUAGES.de[key],
  );
  expect(same, 'names that are the same in both').toEqual(['hubHome']);
});
