// Owns ids: prefixed ULIDs (48-bit milliseconds, 80 random bits, Crockford base32), sortable by time and
// unique across boots. Ids say what they name by their prefix.
import { assert } from "./assert.ts";
import { base32Encode } from "./base32.ts";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/** The prefixes of every kind of id in the system. */
export type IdPrefix =
  | "ten"
  | "prj"
  | "key"
  | "req"
  | "rsv"
  | "node"
  | "adm"
  | "plan"
  | "adp"
  | "adv"
  | "file"
  | "batch"
  | "aud"
  | "upload"
  | "part"
  | "mem"
  | "lgn"
  | "ses"
  | "inv";

export const ULID_CHARS = 26;
const ULID_BYTES = 16;

/** Makes a bare 26-character ULID (lower case). */
export function ulid(clock: Clock, random: Random): string {
  const nowMs = clock.nowMs();
  assert(
    Number.isSafeInteger(nowMs) && nowMs >= 0 && nowMs < 2 ** 48,
    `clock out of range: ${nowMs}`,
  );
  const bytes = random.fill(new Uint8Array(ULID_BYTES));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Math.floor(nowMs / 2 ** 32));
  view.setUint32(2, nowMs % 2 ** 32);
  return base32Encode(bytes);
}

/** Makes an id such as `req_01h...`. */
export function newId(prefix: IdPrefix, clock: Clock, random: Random): string {
  return `${prefix}_${ulid(clock, random)}`;
}

const BARE = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** True when `text` is an id with this prefix. */
export function isId(prefix: IdPrefix, text: string): boolean {
  return text.startsWith(`${prefix}_`) && BARE.test(text.slice(prefix.length + 1));
}
