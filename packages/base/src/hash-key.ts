// Owns the one way to hash several fields into a key: domain-separated and length-prefixed, so that no two
// different lists of fields ever feed the same bytes to SHA-256. Names are never keys; digests are.

const encoder = new TextEncoder();

/** Frames fields as bytes: each part, the domain first, is preceded by its length (u32, little-endian). */
export function frameFields(
  domain: string,
  fields: readonly (string | Uint8Array)[],
): Uint8Array<ArrayBuffer> {
  const parts = [domain, ...fields].map((part) =>
    typeof part === "string" ? encoder.encode(part) : part,
  );
  const byteCount = parts.reduce((sum, part) => sum + 4 + part.length, 0);
  const framed = new Uint8Array(byteCount);
  const view = new DataView(framed.buffer);
  let offset = 0;
  for (const part of parts) {
    view.setUint32(offset, part.length, true);
    framed.set(part, offset + 4);
    offset += 4 + part.length;
  }
  return framed;
}

/** SHA-256 over the framed fields, 32 bytes. */
export async function hashFields(
  domain: string,
  fields: readonly (string | Uint8Array)[],
): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", frameFields(domain, fields)));
}

/** HMAC-SHA-256 over the framed fields under `secret`, 32 bytes. */
export async function macFields(
  secret: string,
  domain: string,
  fields: readonly (string | Uint8Array)[],
): Promise<Uint8Array<ArrayBuffer>> {
  const key = await macKey(secret);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, frameFields(domain, fields)));
}

/** Imported keys of the few secrets that a process has: importing one takes longer than signing with it. */
const macKeys = new Map<string, Promise<CryptoKey>>();
const MAC_KEYS_MAX = 8;

function macKey(secret: string): Promise<CryptoKey> {
  const known = macKeys.get(secret);
  if (known) return known;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const bytes = encoder.encode(secret);
  const key = crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign"]);
  const [oldest] = macKeys.keys();
  if (macKeys.size >= MAC_KEYS_MAX && oldest !== undefined) macKeys.delete(oldest);
  macKeys.set(secret, key);
  return key;
}

/** Compares in time that depends on the lengths only. */
export function equalsConstantTime(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let i = 0; i < left.length; i++) difference |= (left[i] ?? 0) ^ (right[i] ?? 0);
  return difference === 0;
}
