// Owns the queries of the settings of the export of usage to a billing system.
import type { ControlDb } from "../client.ts";
import { billingExport } from "../schema/control/billing-export.ts";
import { billingRejections } from "../schema/control/billing-rejections.ts";

export type BillingExport = Omit<typeof billingExport.$inferSelect, "id">;
type Settings = typeof billingExport.$inferInsert;

const ID = 1;

/** The settings and how far the export is; undefined when there is none. */
export async function findBillingExport(db: ControlDb): Promise<BillingExport | undefined> {
  return (await db.select().from(billingExport).limit(1))[0];
}

/** Puts settings in place of those before; what went wrong under them is forgotten. */
export async function putBillingExport(
  db: ControlDb,
  settings: Omit<Settings, "id">,
): Promise<void> {
  const set = { ...settings, failureCount: 0, retryAtMs: 0, lastError: null, lastErrorAtMs: null };
  await db
    .insert(billingExport)
    .values({ id: ID, ...set })
    .onConflictDoUpdate({ target: billingExport.id, set });
}

/** Ends the export and forgets what was refused; false when there was none. */
export async function removeBillingExport(db: ControlDb): Promise<boolean> {
  const [removed] = await db.batch([
    db.delete(billingExport).returning({ id: billingExport.id }),
    db.delete(billingRejections),
  ]);
  return removed.length > 0;
}
