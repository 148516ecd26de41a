// An OpenID provider: `node oidc_provider.mjs SETTINGS`, a JSON object; see oidc.py. Accounts are read anew from their file at each
// sign-in. Its form is oidc-provider's own for development, which takes any password.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const { module, issuer, port, certificate, key, accounts, client } = JSON.parse(process.argv[2]);
const { Provider } = await import(pathToFileURL(module));

function findAccount(_, name) {
  const groups = JSON.parse(readFileSync(accounts))[name];
  if (!groups) {
    return undefined;
  }
  return { accountId: name, claims: () => ({ sub: name, preferred_username: name, groups }) };
}

const provider = new Provider(issuer, {
  clients: [client],
  claims: { openid: ['sub'], profile: ['preferred_username'], groups: ['groups'] },
  findAccount,
});
createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, provider.callback()).listen(
  port,
  '127.0.0.1',
);
