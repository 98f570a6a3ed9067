// Owns the keys whose tag this isolate has found right, so that the next request with one needs no cryptography. That says
// who made the key and nothing more: every request still asks the account whether it is known and alive. Invariant: an
// entry is found by the key's public part and matched with the whole text, in time that does not depend on the secret.
import { readApiKey, type ApiKeyClaim } from "@fairlane/protocol";
import { KNOWN_KEYS_MAX } from "../limits.ts";

/** `fl1_`, two ULIDs and what follows each: whose key it is. */
const PUBLIC_CHARS = 58;

interface KnownKey {
  readonly text: string;
  readonly pepper: string;
  readonly claim: ApiKeyClaim;
}

const known = new Map<string, KnownKey>();

/** Like readApiKey, and quicker for a key that was read here before. */
export async function readKnownKey(text: string, pepper: string): Promise<ApiKeyClaim | undefined> {
  const name = text.slice(0, PUBLIC_CHARS);
  const found = known.get(name);
  if (found !== undefined && found.pepper === pepper && isSameText(found.text, text)) {
    return found.claim;
  }
  const claim = await readApiKey(text, pepper);
  if (claim === undefined) return undefined;
  const [oldest] = known.keys();
  if (known.size >= KNOWN_KEYS_MAX && oldest !== undefined) known.delete(oldest);
  known.set(name, { text, pepper, claim });
  return claim;
}

/** Compares in time that depends on the lengths only. */
function isSameText(left: string, right: string): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let at = 0; at < left.length; at++) difference |= left.charCodeAt(at) ^ right.charCodeAt(at);
  return difference === 0;
}
