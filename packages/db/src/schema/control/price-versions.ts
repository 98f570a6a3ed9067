// Owns the table of price versions. A version never changes (triggers refuse it): new prices are a new version,
// and a request keeps the version it was admitted under.
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const priceVersions = sqliteTable("price_versions", {
  id: text("id").primaryKey(),
  createdAtMs: integer("created_at_ms").notNull(),
  /** What requests of batches cost, in percent of the prices. */
  batchPercent: integer("batch_percent").notNull().default(50),
});
