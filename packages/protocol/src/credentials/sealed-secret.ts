// Owns the sealing of secrets of others that we have to send again, such as a billing system's key: AES-GCM under a key
// derived from the platform's pepper, which no database has. What is sealed for one purpose opens for no other.
import { fromHex, macFields, toHex, type Random } from "@fairlane/base";

const KEY_DOMAIN = "fairlane-sealed-secret-v1";
const NONCE_BYTES = 12;

/** Of the secret of the endpoint that usage is exported to. */
export const BILLING_SECRET_PURPOSE = "billing-export";

/** Seals a text; hex of nonce and ciphertext. */
export async function sealSecret(options: {
  readonly pepper: string;
  readonly purpose: string;
  readonly text: string;
  readonly random: Random;
}): Promise<string> {
  const { pepper, purpose, text, random } = options;
  const iv = new Uint8Array(NONCE_BYTES);
  random.fill(iv);
  const key = await keyOf(pepper, purpose, "encrypt");
  const bytes = new TextEncoder().encode(text);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, bytes);
  return toHex(iv) + toHex(new Uint8Array(sealed));
}

/** The text of what `sealSecret` sealed; rejects for anything else. */
export async function openSecret(pepper: string, purpose: string, sealed: string): Promise<string> {
  const bytes = fromHex(sealed);
  const iv = bytes.subarray(0, NONCE_BYTES);
  const key = await keyOf(pepper, purpose, "decrypt");
  const text = await crypto.subtle.decrypt(
    { name: "AES-GCM", iv },
    key,
    bytes.subarray(NONCE_BYTES),
  );
  return new TextDecoder().decode(text);
}

async function keyOf(
  pepper: string,
  purpose: string,
  use: "encrypt" | "decrypt",
): Promise<CryptoKey> {
  const raw = await macFields(pepper, KEY_DOMAIN, [purpose]);
  return crypto.subtle.importKey("raw", raw, "AES-GCM", false, [use]);
}
