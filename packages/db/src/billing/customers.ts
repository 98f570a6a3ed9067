// Owns the queries of what tenants are called at the billing system.
import { eq, sql } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { billingCustomers } from "../schema/control/billing-customers.ts";

/** What these tenants are called at the billing system; those without a name are absent. */
export async function customersOf(
  db: ControlDb,
  tenantIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const isOne = sql`${billingCustomers.tenantId} IN (SELECT value FROM json_each(${JSON.stringify(tenantIds)}))`;
  const rows = await db.select().from(billingCustomers).where(isOne);
  return new Map(rows.map(({ tenantId, customerId }) => [tenantId, customerId]));
}

/** Names a tenant at the billing system; null takes the name away. */
export async function putCustomer(
  db: ControlDb,
  tenantId: string,
  customerId: string | null,
): Promise<void> {
  if (customerId === null) {
    await db.delete(billingCustomers).where(eq(billingCustomers.tenantId, tenantId));
    return;
  }
  await db
    .insert(billingCustomers)
    .values({ tenantId, customerId })
    .onConflictDoUpdate({ target: billingCustomers.tenantId, set: { customerId } });
}
