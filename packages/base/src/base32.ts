// Owns Crockford base32 in lower case, most significant bits first and zero-padded on the left like ULIDs,
// so that 16 bytes take 26 characters and 32 bytes take 52.
import { assert } from "./assert.ts";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
/** Of one character. */
const BITS = 5;

/** Encodes bytes; the length is ceil(8 * bytes / 5) characters. */
export function base32Encode(bytes: Uint8Array): string {
  // What the whole characters have more than the bytes are zero bits on the left.
  let bitCount = Math.ceil((bytes.length * 8) / BITS) * BITS - bytes.length * 8;
  let bits = 0;
  let text = "";
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    bitCount += 8;
    while (bitCount >= BITS) {
      bitCount -= BITS;
      text += ALPHABET.charAt((bits >>> bitCount) & 31);
    }
    bits &= 31;
  }
  return text;
}

/** Decodes exactly `byteCount` bytes; undefined when the text is not their canonical form. */
export function base32Decode(text: string, byteCount: number): Uint8Array<ArrayBuffer> | undefined {
  assert(
    Number.isSafeInteger(byteCount) && byteCount > 0,
    `byteCount must be > 0, got ${byteCount}`,
  );
  if (text.length !== Math.ceil((byteCount * 8) / 5)) return undefined;
  let value = 0n;
  for (const char of text) {
    const digit = ALPHABET.indexOf(char);
    if (digit < 0) return undefined;
    value = (value << 5n) | BigInt(digit);
  }
  if (value >> BigInt(byteCount * 8) !== 0n) return undefined;
  const bytes = new Uint8Array(byteCount);
  for (let i = byteCount - 1; i >= 0; i--) {
    bytes[i] = Number(value & 255n);
    value >>= 8n;
  }
  return bytes;
}
