// Owns the queries of the ends of API keys: rotation and revocation, each one batch with its entry of the audit log.
import { and, isNull } from "drizzle-orm";
import { keyRow, type ApiKey, type KeyRef } from "./api-keys.ts";
import type { AuditEntry } from "./audit-entry.ts";
import { auditInsert } from "./audit.ts";
import type { ControlDb } from "./client.ts";
import { apiKeys } from "./schema/control/api-keys.ts";

/** Registers the successor of a key and the end of the old one's time. */
export async function rotateApiKey(
  db: ControlDb,
  rotation: {
    readonly successor: ApiKey;
    readonly old: Pick<ApiKey, "graceUntilMs" | "revokedAtMs">;
  },
  audit: AuditEntry,
): Promise<void> {
  const { successor, old } = rotation;
  const { tenantId, rotatedFromId } = successor;
  const oldRef = { tenantId, keyId: rotatedFromId ?? "" };
  await db.batch([
    db.insert(apiKeys).values(successor),
    db.update(apiKeys).set(old).where(keyRow(oldRef)),
    auditInsert(db, audit),
  ]);
}

/** Notes the revocation of a key of this tenant; the first time stays. */
export async function markApiKeyRevoked(
  db: ControlDb,
  key: KeyRef & { readonly revokedAtMs: number },
  audit: AuditEntry,
): Promise<void> {
  const { revokedAtMs } = key;
  const living = and(keyRow(key), isNull(apiKeys.revokedAtMs));
  await db.batch([db.update(apiKeys).set({ revokedAtMs }).where(living), auditInsert(db, audit)]);
}
