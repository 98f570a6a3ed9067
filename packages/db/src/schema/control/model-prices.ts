// Owns the prices of the versions, in integer nano-USD per million tokens; model `*` is any model without a row.
// A version's prices are written before its row in price_versions, which seals them (triggers refuse later
// inserts, updates and deletes): hence no foreign key.
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const modelPrices = sqliteTable(
  "model_prices",
  {
    versionId: text("version_id").notNull(),
    model: text("model").notNull(),
    inputNanoUsdPerMillion: integer("input_nano_usd_per_million").notNull(),
    cachedInputNanoUsdPerMillion: integer("cached_input_nano_usd_per_million").notNull(),
    outputNanoUsdPerMillion: integer("output_nano_usd_per_million").notNull(),
  },
  (table) => [primaryKey({ columns: [table.versionId, table.model] })],
);
