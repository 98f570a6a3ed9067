// Owns the table of API keys as the administration sees them. TenantAccount is authoritative for what a key may
// do; the secret itself is stored nowhere, only its hash.
import type { Scope } from "@fairlane/protocol";
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { projects } from "./projects.ts";
import { tenants } from "./tenants.ts";

export const apiKeys = sqliteTable(
  "api_keys",
  {
    id: text("id").primaryKey(),
    tenantId: text("tenant_id")
      .notNull()
      .references(() => tenants.id),
    projectId: text("project_id")
      .notNull()
      .references(() => projects.id),
    name: text("name").notNull(),
    secretHash: text("secret_hash").notNull().unique(),
    /** The last characters of the key's text, for people to recognise it by. */
    lastChars: text("last_chars").notNull(),
    scopes: text("scopes", { mode: "json" }).$type<readonly Scope[]>().notNull(),
    /** Of these three, null means "no restriction". */
    allowedModels: text("allowed_models", { mode: "json" }).$type<readonly string[]>(),
    allowedAdapters: text("allowed_adapters", { mode: "json" }).$type<readonly string[]>(),
    allowedIps: text("allowed_ips", { mode: "json" }).$type<readonly string[]>(),
    expiresAtMs: integer("expires_at_ms"),
    revokedAtMs: integer("revoked_at_ms"),
    /** The key that this one replaces. */
    rotatedFromId: text("rotated_from_id"),
    /** A rotated key is dead from then on. */
    graceUntilMs: integer("grace_until_ms"),
    createdAtMs: integer("created_at_ms").notNull(),
  },
  (table) => [index("api_keys_by_tenant").on(table.tenantId)],
);
