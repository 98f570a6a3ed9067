// Administration of prices: a new version, which never changes afterwards, and the newest one.
import { newId } from "@fairlane/base";
import { createPrices, currentPrices, MODEL_PRICES_MAX } from "@fairlane/db";
import { ledgerLimits } from "@fairlane/ledger";
import { protocolLimits, type AccountPrices } from "@fairlane/protocol";
import { z } from "zod";
import { audited } from "../auth/audit-entry.ts";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import { OPERATOR } from "../auth/authorize.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { parseAdminBody } from "./parse-admin-body.ts";

const price = z.int().min(0).max(ledgerLimits.PRICE_NANO_USD_MAX);

/** Body of a new version. Prices are integer nano-USD per million tokens; model `*` is any other. */
export const newPrices = z.strictObject({
  models: z
    .array(
      z.strictObject({
        model: z.string().min(1).max(protocolLimits.NAME_CHARS_MAX),
        input_nano_usd_per_million: price,
        cached_input_nano_usd_per_million: price,
        output_nano_usd_per_million: price,
      }),
    )
    .min(1)
    .max(MODEL_PRICES_MAX),
  /** What requests of batches cost, in percent of these. */
  batch_percent: z.int().min(1).max(100).default(50),
});

/** POST /v1/fairlane/admin/prices: new tenants get it; others by a change of theirs. */
export function createPricesRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const { models, batch_percent: batchPercent } = await parseAdminBody(
      context.req.raw,
      newPrices,
    );
    const prices = {
      version: newId("plan", deps.clock, deps.random),
      batchPercent,
      models: Object.fromEntries(
        models.map((one) => [
          one.model,
          {
            inputNanoUsdPerMillion: one.input_nano_usd_per_million,
            cachedInputNanoUsdPerMillion: one.cached_input_nano_usd_per_million,
            outputNanoUsdPerMillion: one.output_nano_usd_per_million,
          },
        ]),
      ),
    };
    await createPrices(deps.controlDb, prices, deps.clock.nowMs());
    const caller = { tenantId: null, actor: OPERATOR };
    const details = { models: models.length };
    const done = { caller, action: "prices.created", target: prices.version, details } as const;
    await audited(context, deps, done);
    return Response.json(pricesBody(prices), { status: 201 });
  };
}

/** GET /v1/fairlane/admin/prices: the newest version. */
export function currentPricesRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    return Response.json(pricesBody(await currentPrices(deps.controlDb)));
  };
}

function pricesBody(prices: AccountPrices) {
  return {
    object: "fairlane.price_version",
    id: prices.version,
    batch_percent: prices.batchPercent,
    models: Object.entries(prices.models).map(([model, one]) => ({
      model,
      input_nano_usd_per_million: one.inputNanoUsdPerMillion,
      cached_input_nano_usd_per_million: one.cachedInputNanoUsdPerMillion,
      output_nano_usd_per_million: one.outputNanoUsdPerMillion,
    })),
  };
}
