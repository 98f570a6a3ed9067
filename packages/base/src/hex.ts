// Owns bytes as lower-case hexadecimal text, and back.
import { assert } from "./assert.ts";

const HEX_DIGITS = "0123456789abcdef";

/** The bytes of lower-case hexadecimal; asserts that it is. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  assert(/^([0-9a-f]{2})*$/.test(text), "text that is no hexadecimal");
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX_DIGITS.charAt(byte >> 4) + HEX_DIGITS.charAt(byte & 15);
  return text;
}
