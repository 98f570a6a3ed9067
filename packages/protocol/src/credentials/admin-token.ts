// Owns the text of the operator's admin token, `fla1_<secret>`, and its hash. The server is configured with the
// hash only, so reading its configuration does not give the token away.
import { base32Encode, equalsConstantTime, hashFields, toHex, type Random } from "@fairlane/base";

const PREFIX = "fla1";
const SECRET_BYTES = 32;
const HASH_DOMAIN = "fairlane-admin-token-v1";

const encoder = new TextEncoder();

/** Makes a token; it is shown to the operator once. */
export function makeAdminToken(random: Random): string {
  return `${PREFIX}_${base32Encode(random.fill(new Uint8Array(SECRET_BYTES)))}`;
}

/** Hex hash of a token: the value of the edge's ADMIN_TOKEN_HASH. */
export async function adminTokenHash(token: string): Promise<string> {
  return toHex(await hashFields(HASH_DOMAIN, [token]));
}

/** True when `token` has this hash; the time taken does not depend on where they differ. */
export async function isAdminToken(token: string, tokenHash: string): Promise<boolean> {
  const actual = await adminTokenHash(token);
  return equalsConstantTime(encoder.encode(actual), encoder.encode(tokenHash));
}
