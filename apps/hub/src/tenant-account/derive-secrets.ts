// Owns the secrets that a tenant's requests carry between edge and hub: derived from the platform's, stored nowhere.
import { macFields, toHex } from "@fairlane/base";
import { filesKeyOf, retainedKeyOf } from "@fairlane/db";

const SALT_DOMAIN = "fairlane-tenant-salt-v1";

/** All in hex. */
export async function deriveSecrets(saltSecret: string, tenantId: string) {
  return {
    tenantSalt: toHex(await macFields(saltSecret, SALT_DOMAIN, [tenantId])),
    filesKey: await filesKeyOf(saltSecret, tenantId),
    retainedKey: await retainedKeyOf(saltSecret, tenantId),
  };
}
