// Owns taking a tenant out of the control database: rows that tell of people or of content go, the tenant's own row and
// the audit log keep ids, times and amounts. Every function may be repeated.
import { and, eq, inArray, isNotNull, like, ne, not, or, sql } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { ERASED_AUDIT_ROWS_MAX } from "../limits.ts";
import { adapterGrants } from "../schema/control/adapter-grants.ts";
import { adapterVersions } from "../schema/control/adapter-versions.ts";
import { adapters } from "../schema/control/adapters.ts";
import { apiKeys } from "../schema/control/api-keys.ts";
import { auditLog } from "../schema/control/audit-log.ts";
import { batches } from "../schema/control/batches.ts";
import { billingCustomers } from "../schema/control/billing-customers.ts";
import { files } from "../schema/control/files.ts";
import { members } from "../schema/control/members.ts";
import { projects } from "../schema/control/projects.ts";
import { tenants } from "../schema/control/tenants.ts";
import { uploadParts } from "../schema/control/upload-parts.ts";
import { uploadPieces, uploads } from "../schema/control/uploads.ts";

/** What the row of an erased tenant is called. */
const NAME = "erased";

/**
 * Takes out everything but batches and audit entries; returns rows by kind.
 * @param isLast the last usage was billed: who pays for it need not be known any more
 */
export async function eraseRegister(
  db: ControlDb,
  tenantId: string,
  isLast: boolean,
): Promise<Readonly<Record<string, number>>> {
  const own = db.select({ id: adapters.id }).from(adapters).where(eq(adapters.tenantId, tenantId));
  const ofOwn = inArray(adapterVersions.adapterId, own);
  const versions = db.select({ id: adapterVersions.id }).from(adapterVersions).where(ofOwn);
  const open = db.select({ id: uploads.id }).from(uploads).where(eq(uploads.tenantId, tenantId));
  const isGrant = or(eq(adapterGrants.tenantId, tenantId), inArray(adapterGrants.adapterId, own));
  const stripped = { name: NAME, scopeLimits: [], budgets: [], webhookUrl: null };
  const rowsOf = (table: typeof files | typeof members | typeof apiKeys | typeof projects) =>
    db.$count(table, eq(table.tenantId, tenantId));
  const counts = {
    adapters: await db.$count(adapters, eq(adapters.tenantId, tenantId)),
    files: await rowsOf(files),
    members: await rowsOf(members),
    keys: await rowsOf(apiKeys),
    projects: await rowsOf(projects),
  };
  await db.batch([
    db.delete(uploadParts).where(inArray(uploadParts.objectId, versions)),
    db.delete(adapterGrants).where(isGrant),
    db.delete(adapterVersions).where(ofOwn),
    db.delete(adapters).where(eq(adapters.tenantId, tenantId)),
    db.delete(uploadPieces).where(inArray(uploadPieces.uploadId, open)),
    db.delete(uploads).where(eq(uploads.tenantId, tenantId)),
    db.delete(files).where(eq(files.tenantId, tenantId)),
    db.delete(members).where(eq(members.tenantId, tenantId)),
    db.delete(apiKeys).where(eq(apiKeys.tenantId, tenantId)),
    db.delete(projects).where(eq(projects.tenantId, tenantId)),
    db.update(tenants).set(stripped).where(eq(tenants.id, tenantId)),
  ]);
  if (isLast) await db.delete(billingCustomers).where(eq(billingCustomers.tenantId, tenantId));
  return counts;
}

// Of these the details are amounts, which are kept.
const hasAmounts = or(
  eq(auditLog.action, "credit.given"),
  eq(auditLog.action, "tenant.erased"),
  like(auditLog.action, "invoice.%"),
  like(auditLog.action, "adjustment.%"),
);

/** Takes addresses and details out of some entries of the audit log; returns how many, 0 when none is left. */
export async function redactAudit(db: ControlDb, tenantId: string): Promise<number> {
  const hasDetails = and(ne(auditLog.details, {}), not(hasAmounts ?? sql`0`));
  const isOpen = and(eq(auditLog.tenantId, tenantId), or(isNotNull(auditLog.ip), hasDetails));
  const some = db
    .select({ id: auditLog.id })
    .from(auditLog)
    .where(isOpen)
    .limit(ERASED_AUDIT_ROWS_MAX);
  const details = sql`CASE WHEN ${hasAmounts} THEN ${auditLog.details} ELSE '{}' END`;
  const redacting = db.update(auditLog).set({ ip: null, details });
  const redacted = redacting.where(inArray(auditLog.id, some)).returning({ id: auditLog.id });
  return (await redacted).length;
}

/** Some of the tenant's batches, by id. */
export async function someBatches(
  db: ControlDb,
  tenantId: string,
  countMax: number,
): Promise<readonly string[]> {
  const own = eq(batches.tenantId, tenantId);
  const rows = await db.select({ id: batches.id }).from(batches).where(own).limit(countMax);
  return rows.map(({ id }) => id);
}

/** Takes batches out, once their objects are empty. */
export async function dropBatches(db: ControlDb, batchIds: readonly string[]): Promise<void> {
  await db.delete(batches).where(inArray(batches.id, [...batchIds]));
}

/** Uploads of adapters in parts that never ended: the bucket's names of them. */
export async function openAdapterUploads(
  db: ControlDb,
  tenantId: string,
): Promise<readonly { readonly versionId: string; readonly uploadId: string }[]> {
  const rows = await db
    .select({ versionId: adapterVersions.id, uploadId: adapterVersions.uploadId })
    .from(adapterVersions)
    .innerJoin(adapters, eq(adapters.id, adapterVersions.adapterId))
    .where(and(eq(adapters.tenantId, tenantId), isNotNull(adapterVersions.uploadId)));
  return rows.flatMap(({ versionId, uploadId }) =>
    uploadId === null ? [] : [{ versionId, uploadId }],
  );
}
