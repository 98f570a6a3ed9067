// Owns the table of service for fairness: one cumulative cell for each (tenant, region, node, epoch), so that writing a
// copy twice or late changes nothing; epochs that are closed are summed in the row of node '' and epoch 0. It is no
// accounting: nothing is billed from it. Times are milliseconds since 1970 UTC.
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const serviceCounters = sqliteTable(
  "service_counters",
  {
    tenantId: text("tenant_id").notNull(),
    region: text("region").notNull(),
    nodeId: text("node_id").notNull(),
    /** Of the node: one boot or less. */
    epoch: integer("epoch").notNull(),
    /** The one that the last charges were divided by. */
    weight: integer("weight").notNull(),
    inputTokens: integer("input_tokens").notNull(),
    cachedTokens: integer("cached_tokens").notNull(),
    outputTokens: integer("output_tokens").notNull(),
    serviceUnits: integer("service_units").notNull(),
    /** From receipt to first scheduling, summed over `requests`. */
    queueMs: integer("queue_ms").notNull(),
    requests: integer("requests").notNull(),
    updatedAtMs: integer("updated_at_ms").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.region, table.nodeId, table.epoch] }),
    index("service_counters_by_update").on(table.updatedAtMs),
  ],
);
