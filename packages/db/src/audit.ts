// Owns the queries of the audit log: entries in, most of them in one batch with the change that they tell of; pages
// out. Nothing here updates or deletes.
import { assert } from "@fairlane/base";
import { and, desc, eq, lt } from "drizzle-orm";
import type { AuditEntry } from "./audit-entry.ts";
import type { ControlDb } from "./client.ts";
import { AUDIT_DETAILS_CHARS_MAX, AUDIT_PAGE_ENTRIES_MAX } from "./limits.ts";
import { auditLog } from "./schema/control/audit-log.ts";

/** The statement that appends an entry, for a batch with the change itself. */
export function auditInsert(db: ControlDb, entry: AuditEntry) {
  const chars = JSON.stringify(entry.details).length;
  assert(chars <= AUDIT_DETAILS_CHARS_MAX, `audit details of ${chars} characters`);
  return db.insert(auditLog).values(entry);
}

/** Appends an entry on its own, for a change that is not in the control database. */
export async function appendAudit(db: ControlDb, entry: AuditEntry): Promise<void> {
  await auditInsert(db, entry);
}

/**
 * A page of entries, newest first.
 * @param page `tenantId` undefined reads those of all tenants; `beforeId` is the last id of the page before
 */
export async function readAudit(
  db: ControlDb,
  page: {
    readonly tenantId?: string | undefined;
    readonly beforeId?: string | undefined;
    readonly entriesMax: number;
  },
): Promise<readonly AuditEntry[]> {
  const { tenantId, beforeId, entriesMax } = page;
  return db
    .select()
    .from(auditLog)
    .where(
      and(
        tenantId === undefined ? undefined : eq(auditLog.tenantId, tenantId),
        beforeId === undefined ? undefined : lt(auditLog.id, beforeId),
      ),
    )
    .orderBy(desc(auditLog.id))
    .limit(Math.min(entriesMax, AUDIT_PAGE_ENTRIES_MAX));
}
