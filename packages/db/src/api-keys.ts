// Owns the queries of API keys. D1 is the register that people look at; TenantAccount decides, and is written first.
import { and, eq, isNull } from "drizzle-orm";
import type { ControlDb } from "./client.ts";
import { apiKeys } from "./schema/control/api-keys.ts";

export type ApiKey = typeof apiKeys.$inferSelect;

/** Registers a new key. */
export async function createApiKey(db: ControlDb, key: ApiKey): Promise<void> {
  await db.insert(apiKeys).values(key);
}

/** A key of this tenant; another tenant's key is not found. */
export async function findApiKey(
  db: ControlDb,
  tenantId: string,
  keyId: string,
): Promise<ApiKey | undefined> {
  const mine = and(eq(apiKeys.id, keyId), eq(apiKeys.tenantId, tenantId));
  return (await db.select().from(apiKeys).where(mine).limit(1))[0];
}

/** What of a key may change. */
export type ApiKeyChange = Partial<
  Pick<
    ApiKey,
    "name" | "scopes" | "allowedModels" | "allowedAdapters" | "allowedIps" | "expiresAtMs"
  >
>;

/** Changes a key of this tenant; the key as it is now, undefined when the tenant has none with this id. */
export async function changeApiKey(
  db: ControlDb,
  key: { readonly tenantId: string; readonly keyId: string },
  change: ApiKeyChange,
): Promise<ApiKey | undefined> {
  const mine = and(eq(apiKeys.id, key.keyId), eq(apiKeys.tenantId, key.tenantId));
  return (await db.update(apiKeys).set(change).where(mine).returning())[0];
}

/** Notes the revocation of a key of this tenant; the first time stays. */
export async function markApiKeyRevoked(
  db: ControlDb,
  key: { readonly tenantId: string; readonly keyId: string },
  revokedAtMs: number,
): Promise<void> {
  const mine = and(eq(apiKeys.id, key.keyId), eq(apiKeys.tenantId, key.tenantId));
  await db
    .update(apiKeys)
    .set({ revokedAtMs })
    .where(and(mine, isNull(apiKeys.revokedAtMs)));
}
