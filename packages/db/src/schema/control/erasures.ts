// Owns the table of tenants that are, or were, erased: how far each erasure is. The tenant's own row stays, without
// anything personal, since ledger and invoices name its id. Times are milliseconds since 1970 UTC.
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { tenants } from "./tenants.ts";

/** What an erasure does next. */
export type ErasurePhase =
  | "account"
  | "objects"
  | "batches"
  | "register"
  | "settling"
  | "late_objects"
  | "late_register"
  | "emptying"
  | "done";

/** What was taken out so far, by kind. */
export type ErasureCounts = Readonly<Record<string, number>>;

export const erasures = sqliteTable(
  "erasures",
  {
    tenantId: text("tenant_id")
      .primaryKey()
      .references(() => tenants.id),
    phase: text("phase").$type<ErasurePhase>().notNull(),
    counts: text("counts", { mode: "json" }).$type<ErasureCounts>().notNull(),
    requestedAtMs: integer("requested_at_ms").notNull(),
    erasedAtMs: integer("erased_at_ms"),
  },
  (table) => [index("erasures_by_phase").on(table.phase)],
);
