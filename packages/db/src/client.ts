// Owns the drizzle handles of the D1 databases, so that callers hold a binding and never a SQL string.
// D1 refuses BEGIN: several writes that belong together go through `batch`, which is one transaction.
import type { D1Database } from "@cloudflare/workers-types";
import { drizzle, type DrizzleD1Database } from "drizzle-orm/d1";

declare const kind: unique symbol;

/** What both have: the binding itself, for batches of statements that drizzle has no builder for. */
type D1 = DrizzleD1Database & { readonly $client: D1Database };

/** Tenants, projects, keys and prices. */
export type ControlDb = D1 & { readonly [kind]?: "control" };
/** One ledger database; a tenant's is found through the ledger map. */
export type LedgerDb = D1 & { readonly [kind]?: "ledger" };

/** Opens the control database. */
export function openControlDb(binding: D1Database): ControlDb {
  return drizzle(binding);
}

/** Opens one ledger database. */
export function openLedgerDb(binding: D1Database): LedgerDb {
  return drizzle(binding);
}
