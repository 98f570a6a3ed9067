// Owns the queries of prices. Versions are immutable; the newest one is given to new tenants.
import { assert } from "@fairlane/base";
import type { AccountPrices, ModelPrice } from "@fairlane/protocol";
import { asc, desc, eq } from "drizzle-orm";
import type { ControlDb } from "./client.ts";
import { MODEL_PRICES_MAX } from "./limits.ts";
import { modelPrices } from "./schema/control/model-prices.ts";
import { priceVersions } from "./schema/control/price-versions.ts";

/** The newest price version with all its models. The migrations insert the first, so there always is one. */
export async function currentPrices(db: ControlDb): Promise<AccountPrices> {
  const [newest] = await db
    .select()
    .from(priceVersions)
    .orderBy(desc(priceVersions.createdAtMs), desc(priceVersions.id))
    .limit(1);
  assert(newest !== undefined, "the control database has no price version: apply its migrations");
  const rows = await db
    .select()
    .from(modelPrices)
    .where(eq(modelPrices.versionId, newest.id))
    .orderBy(asc(modelPrices.model))
    .limit(MODEL_PRICES_MAX + 1);
  assert(rows.length <= MODEL_PRICES_MAX, `price version ${newest.id} has too many models`);
  const models = rows.map((row): [string, ModelPrice] => [
    row.model,
    {
      inputNanoUsdPerMillion: row.inputNanoUsdPerMillion,
      cachedInputNanoUsdPerMillion: row.cachedInputNanoUsdPerMillion,
      outputNanoUsdPerMillion: row.outputNanoUsdPerMillion,
    },
  ]);
  return { version: newest.id, models: Object.fromEntries(models) };
}
