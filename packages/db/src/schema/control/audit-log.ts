// Owns the table of administrative changes: append-only (triggers refuse UPDATE and DELETE), newest last by id.
// It holds ids, names and terms, never a secret. Times are milliseconds since 1970 UTC.
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { AuditAction, AuditDetails } from "../../audit-entry.ts";

export const auditLog = sqliteTable(
  "audit_log",
  {
    id: text("id").primaryKey(),
    atMs: integer("at_ms").notNull(),
    /** Null for what concerns no single tenant. */
    tenantId: text("tenant_id"),
    actorKind: text("actor_kind").$type<"operator" | "key" | "member">().notNull(),
    actorId: text("actor_id").notNull(),
    action: text("action").$type<AuditAction>().notNull(),
    /** Id of what was changed. */
    target: text("target").notNull(),
    /** Of the client; null when the platform did not tell. */
    ip: text("ip"),
    requestId: text("request_id").notNull(),
    details: text("details", { mode: "json" }).$type<AuditDetails>().notNull(),
  },
  (table) => [index("audit_log_by_tenant").on(table.tenantId, table.id)],
);
