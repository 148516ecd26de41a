/** Security keys and passkeys, as the browser has them (WebAuthn level 3: what is asked and answered is JSON). */

type Json = Record<string, unknown>;

/** Whether this browser can; they work on https and on localhost only. */
export const hasKeys: boolean =
  typeof PublicKeyCredential !== 'undefined' && 'parseCreationOptionsFromJSON' in PublicKeyCredential;

/** Set up a key; rejects when the user does not want to. */
export async function newKey(options: Json): Promise<Json> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
    options as unknown as PublicKeyCredentialCreationOptionsJSON,
  );
  return answerOf(await navigator.credentials.create({ publicKey }));
}

/** Have a key sign; rejects when the user does not want to. */
export async function signedByKey(options: Json): Promise<Json> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
    options as unknown as PublicKeyCredentialRequestOptionsJSON,
  );
  return answerOf(await navigator.credentials.get({ publicKey }));
}

function answerOf(credential: Credential | null): Json {
  return (credential as PublicKeyCredential).toJSON() as unknown as Json;
}
