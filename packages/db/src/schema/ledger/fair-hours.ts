// Owns the table of service by hour: what a region's nodes gave a tenant, by the hour in which the hub heard of it.
// Rows are cumulative within their hour, so writing one twice changes nothing. It is no accounting: nothing is billed
// from it. Times are milliseconds since 1970 UTC.
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const serviceHourly = sqliteTable(
  "service_hourly",
  {
    tenantId: text("tenant_id").notNull(),
    /** Start of the hour. */
    hourMs: integer("hour_ms").notNull(),
    region: text("region").notNull(),
    /** Of the region's UsageIntake: another one once its storage was lost. */
    epoch: integer("epoch").notNull(),
    weight: integer("weight").notNull(),
    inputTokens: integer("input_tokens").notNull(),
    cachedTokens: integer("cached_tokens").notNull(),
    outputTokens: integer("output_tokens").notNull(),
    serviceUnits: integer("service_units").notNull(),
    queueMs: integer("queue_ms").notNull(),
    requests: integer("requests").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.hourMs, table.region, table.epoch] }),
    index("service_hourly_by_hour").on(table.hourMs),
  ],
);
