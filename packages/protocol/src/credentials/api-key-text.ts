// Owns the text of an API key: `fl1_<tenant ulid>_<key ulid>_<secret>_<mac>`. The tag under the server's pepper
// lets a Worker turn forged keys away without a look-up; whether the key is known, alive and allowed is
// TenantAccount's answer. Invariant: a key has exactly one text, and its secret is stored only as a hash.
import {
  assert,
  base32Encode,
  equalsConstantTime,
  hashFields,
  isId,
  macFields,
  toHex,
  ULID_CHARS,
  type Random,
} from "@fairlane/base";

const PREFIX = "fl1";
const SECRET_BYTES = 32;
const MAC_BYTES = 16;
const MAC_DOMAIN = "fairlane-api-key-mac-v1";
const HASH_DOMAIN = "fairlane-api-key-hash-v1";
const SHAPE = new RegExp(
  `^${PREFIX}_([0-9a-z]{${ULID_CHARS}})_([0-9a-z]{${ULID_CHARS}})_([0-9a-hjkmnp-tv-z]{52})_([0-9a-z]{26})$`,
);

const encoder = new TextEncoder();

/** What a well-made key says about itself: true of its maker, unknown of its revocation. */
export interface ApiKeyClaim {
  readonly tenantId: string;
  readonly keyId: string;
  /** Hex; compared by TenantAccount with the stored one. */
  readonly secretHash: string;
}

export interface NewApiKey {
  /** Shown to its owner once and stored nowhere. */
  readonly text: string;
  readonly secretHash: string;
}

/** Makes the text of a new key for ids of the kinds `ten_...` and `key_...`. */
export async function makeApiKey(options: {
  readonly tenantId: string;
  readonly keyId: string;
  readonly pepper: string;
  readonly random: Random;
}): Promise<NewApiKey> {
  const { tenantId, keyId, pepper, random } = options;
  assert(isId("ten", tenantId) && isId("key", keyId), "an API key needs a tenant id and a key id");
  assert(pepper.length > 0, "the key pepper is empty");
  const secret = base32Encode(random.fill(new Uint8Array(SECRET_BYTES)));
  const mac = await macText(pepper, [tenantId, keyId, secret]);
  const text = [PREFIX, tenantId.slice("ten_".length), keyId.slice("key_".length), secret, mac];
  return { text: text.join("_"), secretHash: await secretHashOf(secret) };
}

/**
 * Reads a key that a client sent.
 * @returns its claim, or undefined when the text is malformed or was not made under this pepper (the caller must
 * not tell the two apart to the client)
 */
export async function readApiKey(text: string, pepper: string): Promise<ApiKeyClaim | undefined> {
  assert(pepper.length > 0, "the key pepper is empty");
  const [, tenantUlid, keyUlid, secret, mac] = SHAPE.exec(text) ?? [];
  if (!tenantUlid || !keyUlid || !secret || !mac) return undefined;
  const tenantId = `ten_${tenantUlid}`;
  const keyId = `key_${keyUlid}`;
  const [expected, secretHash] = await Promise.all([
    macText(pepper, [tenantId, keyId, secret]),
    secretHashOf(secret),
  ]);
  if (!equalsConstantTime(encoder.encode(mac), encoder.encode(expected))) return undefined;
  return { tenantId, keyId, secretHash };
}

async function macText(pepper: string, fields: readonly string[]): Promise<string> {
  return base32Encode((await macFields(pepper, MAC_DOMAIN, fields)).subarray(0, MAC_BYTES));
}

async function secretHashOf(secret: string): Promise<string> {
  return toHex(await hashFields(HASH_DOMAIN, [secret]));
}
