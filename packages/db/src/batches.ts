// Owns the queries of which batches a tenant has. Another tenant's batch is not found by any of them.
import { and, desc, eq, lt } from "drizzle-orm";
import type { ControlDb } from "./client.ts";
import { batches } from "./schema/control/batches.ts";

export type BatchRow = typeof batches.$inferSelect;

/** Enters a batch. */
export async function createBatch(db: ControlDb, batch: BatchRow): Promise<void> {
  await db.insert(batches).values(batch);
}

/** The batch if it is this tenant's. */
export async function findBatch(
  db: ControlDb,
  tenantId: string,
  batchId: string,
): Promise<BatchRow | undefined> {
  const isOwn = and(eq(batches.id, batchId), eq(batches.tenantId, tenantId));
  return (await db.select().from(batches).where(isOwn).limit(1))[0];
}

/** A tenant's batches, newest first, from one on (exclusive; undefined: from the newest). */
export async function listBatches(
  db: ControlDb,
  tenantId: string,
  page: { readonly after: string | undefined; readonly countMax: number },
): Promise<readonly BatchRow[]> {
  const isWanted = and(
    eq(batches.tenantId, tenantId),
    page.after === undefined ? undefined : lt(batches.id, page.after),
  );
  return db.select().from(batches).where(isWanted).orderBy(desc(batches.id)).limit(page.countMax);
}
