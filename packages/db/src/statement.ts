// Owns turning a query of drizzle's into a statement of D1, for batches: drizzle's own take no text with parameters.
import type { D1PreparedStatement } from "@cloudflare/workers-types";
import type { SQLWrapper } from "drizzle-orm";
import { SQLiteAsyncDialect } from "drizzle-orm/sqlite-core";
import type { ControlDb, LedgerDb } from "./client.ts";

const dialect = new SQLiteAsyncDialect();

/** The query as a statement of this database. */
export function statementOf(db: ControlDb | LedgerDb, query: SQLWrapper): D1PreparedStatement {
  const { sql, params } = dialect.sqlToQuery(query.getSQL());
  return db.$client.prepare(sql).bind(...params);
}
