// Owns the queries of erasures: which are under way and how far. Progress is kept after every bounded piece of work, so
// that a run that was cut off is taken up where it stood.
import { asc, eq, ne } from "drizzle-orm";
import type { AuditEntry } from "../audit-entry.ts";
import { auditInsert } from "../audit.ts";
import type { ControlDb } from "../client.ts";
import { erasures } from "../schema/control/erasures.ts";
import { tenants } from "../schema/control/tenants.ts";

export type Erasure = typeof erasures.$inferSelect;
export type { ErasureCounts, ErasurePhase } from "../schema/control/erasures.ts";

/** Enters an erasure; one that is known stays as it is. The tenant is marked in the same batch. */
export async function createErasure(
  db: ControlDb,
  erasure: { readonly tenantId: string; readonly requestedAtMs: number },
  audit: AuditEntry,
): Promise<void> {
  const row = { ...erasure, phase: "account", counts: {}, erasedAtMs: null } as const;
  const mark = db.update(tenants).set({ status: "erasing" }).where(eq(tenants.id, row.tenantId));
  await db.batch([
    db.insert(erasures).values(row).onConflictDoNothing(),
    mark,
    auditInsert(db, audit),
  ]);
}

/** A tenant's erasure, or undefined when none was asked for. */
export async function findErasure(db: ControlDb, tenantId: string): Promise<Erasure | undefined> {
  return (await db.select().from(erasures).where(eq(erasures.tenantId, tenantId)).limit(1))[0];
}

/** Those that are not done, the oldest first. */
export async function erasuresUnderway(
  db: ControlDb,
  countMax: number,
): Promise<readonly Erasure[]> {
  return db
    .select()
    .from(erasures)
    .where(ne(erasures.phase, "done"))
    .orderBy(asc(erasures.requestedAtMs), asc(erasures.tenantId))
    .limit(countMax);
}

/** Keeps how far an erasure is. */
export async function noteErasure(
  db: ControlDb,
  { tenantId, phase, counts }: Pick<Erasure, "tenantId" | "phase" | "counts">,
): Promise<void> {
  await db.update(erasures).set({ phase, counts }).where(eq(erasures.tenantId, tenantId));
}

/** The end: the tenant's row says so, and the audit log does. May be repeated. */
export async function finishErasure(
  db: ControlDb,
  done: Pick<Erasure, "tenantId" | "counts"> & { readonly erasedAtMs: number },
  audit: AuditEntry,
): Promise<void> {
  const { tenantId, counts, erasedAtMs } = done;
  await db.batch([
    db
      .update(erasures)
      .set({ phase: "done", counts, erasedAtMs })
      .where(eq(erasures.tenantId, tenantId)),
    db.update(tenants).set({ status: "erased" }).where(eq(tenants.id, tenantId)),
    auditInsert(db, audit),
  ]);
}
