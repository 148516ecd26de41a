// Makes labextension/src/schema.ts: types of what its API shares with the service's, from the same OpenAPI document.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript';

const SHARED = ['App', 'Category', 'CreateSession', 'QueuePlace', 'SessionState', 'Storage', 'UserSession'];
const DOCUMENT = new URL('../../docs/reference/openapi.json', import.meta.url);
export const SCHEMA = new URL('../../labextension/src/schema.ts', import.meta.url);

/** Its text as the document has it. */
export async function schema() {
  const { openapi, info, components } = JSON.parse(await readFile(DOCUMENT, 'utf8'));
  const schemas = Object.fromEntries(SHARED.map(name => [name, components.schemas[name]]));
  return COMMENT_HEADER + astToString(await openapiTS({ openapi, info, paths: {}, components: { schemas } }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(SCHEMA, await schema());
}
