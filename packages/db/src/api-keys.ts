// Owns the queries of API keys. D1 is the register that people look at; TenantAccount decides, and is written first.
// Every change is one batch with its entry of the audit log.
import { and, asc, eq, gt } from "drizzle-orm";
import type { AuditEntry } from "./audit-entry.ts";
import { auditInsert } from "./audit.ts";
import type { ControlDb } from "./client.ts";
import { KEYS_PAGE_MAX } from "./limits.ts";
import { apiKeys } from "./schema/control/api-keys.ts";

export type ApiKey = typeof apiKeys.$inferSelect;

export interface KeyRef {
  readonly tenantId: string;
  readonly keyId: string;
}

/** Registers a new key. */
export async function createApiKey(db: ControlDb, key: ApiKey, audit: AuditEntry): Promise<void> {
  await db.batch([db.insert(apiKeys).values(key), auditInsert(db, audit)]);
}

/** A key of this tenant; another tenant's key is not found. */
export async function findApiKey(
  db: ControlDb,
  tenantId: string,
  keyId: string,
): Promise<ApiKey | undefined> {
  return (await db.select().from(apiKeys).where(keyRow({ tenantId, keyId })).limit(1))[0];
}

/** A page of a tenant's keys, oldest first; of one project when it is named. */
export async function listApiKeys(
  db: ControlDb,
  page: {
    readonly tenantId: string;
    readonly projectId?: string | undefined;
    readonly afterId?: string | undefined;
    readonly keysMax: number;
  },
): Promise<readonly ApiKey[]> {
  const { tenantId, projectId, afterId, keysMax } = page;
  return db
    .select()
    .from(apiKeys)
    .where(
      and(
        eq(apiKeys.tenantId, tenantId),
        projectId === undefined ? undefined : eq(apiKeys.projectId, projectId),
        afterId === undefined ? undefined : gt(apiKeys.id, afterId),
      ),
    )
    .orderBy(asc(apiKeys.id))
    .limit(Math.min(keysMax, KEYS_PAGE_MAX));
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
  key: KeyRef & { readonly change: ApiKeyChange },
  audit: AuditEntry,
): Promise<ApiKey | undefined> {
  const update = db.update(apiKeys).set(key.change).where(keyRow(key)).returning();
  const [rows] = await db.batch([update, auditInsert(db, audit)]);
  return rows[0];
}

/** The one row of a key of this tenant. */
export function keyRow({ tenantId, keyId }: KeyRef) {
  return and(eq(apiKeys.id, keyId), eq(apiKeys.tenantId, tenantId));
}
