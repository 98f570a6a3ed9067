// Owns the text of every secret that a tenant's people and programs hold: `<prefix>_<tenant ulid>_<own
// ulid>_<secret>_<mac>`. The tag under the server's pepper lets a Worker turn forged ones away without a look-up;
// whether one is known and alive is TenantAccount's answer. Invariant: it has exactly one text, its secret is stored
// only as a hash, and a secret of one kind is none of another.
import {
  assert,
  base32Encode,
  equalsConstantTime,
  hashFields,
  isId,
  macFields,
  toHex,
  ULID_CHARS,
  type IdPrefix,
  type Random,
} from "@fairlane/base";

const SECRET_BYTES = 32;
const MAC_BYTES = 16;

/** A kind of secret. */
export interface CredentialKind {
  /** Of the text. */
  readonly prefix: string;
  readonly idPrefix: IdPrefix;
  readonly macDomain: string;
  readonly hashDomain: string;
}

/** What a well-made secret says about itself: true of its maker, unknown of its revocation. */
export interface CredentialClaim {
  readonly tenantId: string;
  readonly id: string;
  /** Hex; compared by TenantAccount with the stored one. */
  readonly secretHash: string;
}

const encoder = new TextEncoder();

/** Makes the text of a new secret; it is shown to its owner once and stored nowhere. */
export async function makeCredential(
  kind: CredentialKind,
  options: {
    readonly tenantId: string;
    readonly id: string;
    readonly pepper: string;
    readonly random: Random;
  },
): Promise<{ readonly text: string; readonly secretHash: string }> {
  const { tenantId, id, pepper, random } = options;
  const { prefix, idPrefix } = kind;
  assert(
    isId("ten", tenantId) && isId(idPrefix, id),
    `a secret needs ids of ten_ and ${idPrefix}_`,
  );
  assert(pepper.length > 0, "the key pepper is empty");
  const secret = base32Encode(random.fill(new Uint8Array(SECRET_BYTES)));
  const mac = await macText(kind, pepper, [tenantId, id, secret]);
  const text = [prefix, tenantId.slice("ten_".length), id.slice(idPrefix.length + 1), secret, mac];
  return { text: text.join("_"), secretHash: await secretHashOf(kind, secret) };
}

/**
 * Reads a secret that a client sent.
 * @returns its claim, or undefined when the text is malformed or was not made under this pepper (the caller must
 * not tell the two apart to the client)
 */
export async function readCredential(
  kind: CredentialKind,
  text: string,
  pepper: string,
): Promise<CredentialClaim | undefined> {
  assert(pepper.length > 0, "the key pepper is empty");
  const [, tenantUlid, ownUlid, secret, mac] = shapeOf(kind.prefix).exec(text) ?? [];
  if (!tenantUlid || !ownUlid || !secret || !mac) return undefined;
  const tenantId = `ten_${tenantUlid}`;
  const id = `${kind.idPrefix}_${ownUlid}`;
  const expected = await macText(kind, pepper, [tenantId, id, secret]);
  if (!equalsConstantTime(encoder.encode(mac), encoder.encode(expected))) return undefined;
  return { tenantId, id, secretHash: await secretHashOf(kind, secret) };
}

const shapes = new Map<string, RegExp>();

/** Of the few kinds that there are. */
function shapeOf(prefix: string): RegExp {
  const known = shapes.get(prefix);
  if (known) return known;
  const ulid = `([0-9a-z]{${ULID_CHARS}})`;
  const shape = new RegExp(`^${prefix}_${ulid}_${ulid}_([0-9a-hjkmnp-tv-z]{52})_([0-9a-z]{26})$`);
  shapes.set(prefix, shape);
  return shape;
}

async function macText(
  kind: CredentialKind,
  pepper: string,
  fields: readonly string[],
): Promise<string> {
  return base32Encode((await macFields(pepper, kind.macDomain, fields)).subarray(0, MAC_BYTES));
}

async function secretHashOf(kind: CredentialKind, secret: string): Promise<string> {
  return toHex(await hashFields(kind.hashDomain, [secret]));
}
