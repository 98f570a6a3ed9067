// Owns the derivation of a tenant's key for retained text from the server's secret: domain-separated from the
// tenant's salt, which is made of the same secret and travels to nodes.
import { assert, macFields, toHex } from "@fairlane/base";

const KEY_DOMAIN = "fairlane-retained-key-v1";

/** 64 hex digits: an AES-256 key. It opens this tenant's objects and nobody else's. */
export async function retainedKeyOf(saltSecret: string, tenantId: string): Promise<string> {
  assert(saltSecret.length > 0, "the salt secret is empty");
  return toHex(await macFields(saltSecret, KEY_DOMAIN, [tenantId]));
}
