// Owns the queries of prices. Versions are immutable; the newest one is given to new tenants.
import { assert } from "@fairlane/base";
import type { AccountPrices, ModelPrice } from "@fairlane/protocol";
import { asc, desc, eq } from "drizzle-orm";
import type { ControlDb } from "./client.ts";
import { MODEL_PRICES_MAX } from "./limits.ts";
import { modelPrices } from "./schema/control/model-prices.ts";
import { priceVersions } from "./schema/control/price-versions.ts";

const WHOLE_PERCENT = 100;

/** The newest price version with all its models. The migrations insert the first, so there always is one. */
export async function currentPrices(db: ControlDb): Promise<AccountPrices> {
  const [newest] = await db
    .select()
    .from(priceVersions)
    .orderBy(desc(priceVersions.createdAtMs), desc(priceVersions.id))
    .limit(1);
  assert(newest !== undefined, "the control database has no price version: apply its migrations");
  return pricesOf(db, newest);
}

/** A price version with all its models, or undefined when there is none with this id. */
export async function findPrices(
  db: ControlDb,
  versionId: string,
): Promise<AccountPrices | undefined> {
  const wanted = eq(priceVersions.id, versionId);
  const [version] = await db.select().from(priceVersions).where(wanted).limit(1);
  return version && pricesOf(db, version);
}

/** Writes a new version and seals it, both or neither. */
export async function createPrices(
  db: ControlDb,
  prices: AccountPrices,
  createdAtMs: number,
): Promise<void> {
  const rows = Object.entries(prices.models).map(([model, price]) => {
    return { versionId: prices.version, model, ...price };
  });
  assert(rows.length >= 1 && rows.length <= MODEL_PRICES_MAX, `${rows.length} models in a version`);
  // A statement binds at most 100 values.
  const [first, ...others] = rows.map((row) => db.insert(modelPrices).values(row));
  assert(first !== undefined, "a version has a model");
  const seal = db.insert(priceVersions).values({
    id: prices.version,
    createdAtMs,
    batchPercent: prices.batchPercent ?? WHOLE_PERCENT,
  });
  await db.batch([first, ...others, seal]);
}

async function pricesOf(
  db: ControlDb,
  { id, batchPercent }: typeof priceVersions.$inferSelect,
): Promise<AccountPrices> {
  return { version: id, models: await modelsOf(db, id), batchPercent };
}

async function modelsOf(db: ControlDb, versionId: string): Promise<AccountPrices["models"]> {
  const rows = await db
    .select()
    .from(modelPrices)
    .where(eq(modelPrices.versionId, versionId))
    .orderBy(asc(modelPrices.model))
    .limit(MODEL_PRICES_MAX + 1);
  assert(rows.length <= MODEL_PRICES_MAX, `price version ${versionId} has too many models`);
  const models = rows.map((row): [string, ModelPrice] => [
    row.model,
    {
      inputNanoUsdPerMillion: row.inputNanoUsdPerMillion,
      cachedInputNanoUsdPerMillion: row.cachedInputNanoUsdPerMillion,
      outputNanoUsdPerMillion: row.outputNanoUsdPerMillion,
    },
  ]);
  return Object.fromEntries(models);
}
