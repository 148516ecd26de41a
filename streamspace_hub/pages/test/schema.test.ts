import { readFile } from 'node:fs/promises';

import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript';
import { expect, test } from 'vitest';

import { schema, SCHEMA } from '../labextension_schema.js';

test('the types are those of the committed OpenAPI document: `npm run generate` makes them anew', async () => {
  const document = new URL('../../../docs/reference/openapi.json', import.meta.url);
  const made = COMMENT_HEADER + astToString(await openapiTS(document));
  expect(await readFile(new URL('../src/schema.ts', import.meta.url), 'utf8')).toBe(made);
}, 60_000);

test("so are those of the JupyterLab extension, as far as its API is the service's", async () => {
  expect(await readFile(SCHEMA, 'utf8')).toBe(await schema());
}, 60_000);
