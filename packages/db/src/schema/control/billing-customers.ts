// Owns the table of what tenants are called at the billing system.
import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import { tenants } from "./tenants.ts";

export const billingCustomers = sqliteTable("billing_customers", {
  tenantId: text("tenant_id")
    .primaryKey()
    .references(() => tenants.id),
  customerId: text("customer_id").notNull(),
});
