// Owns the derivation of a tenant's key for the content of its files from the server's secret: domain-separated from its
// salt and from its key for retained text, so that who may read files reads nothing else.
import { assert, macFields, toHex } from "@fairlane/base";

const KEY_DOMAIN = "fairlane-files-key-v1";

/** 64 hex digits. It opens this tenant's files and nobody else's. */
export async function filesKeyOf(saltSecret: string, tenantId: string): Promise<string> {
  assert(saltSecret.length > 0, "the salt secret is empty");
  return toHex(await macFields(saltSecret, KEY_DOMAIN, [tenantId]));
}
