// GET /v1/models and /v1/models/{id}: what the region's nodes serve and the key may use. Every node links to every shard, so shard 0
// speaks for the region.
import { AppError, modelBody, modelList } from "@fairlane/protocol";
import { admit } from "../admission/admit.ts";
import { authenticate } from "../auth/authenticate.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { regionModels } from "./region-models.ts";

async function visibleModels(context: EdgeContext, deps: EdgeDependencies) {
  const claim = await authenticate(context.req.raw.headers, deps.config.keyPepper);
  const { allowedModels } = await admit(context, deps, { claim, scope: "inference", hold: null });
  const models = await regionModels(deps, 0, context.get("requestId"));
  return allowedModels === null ? models : models.filter(({ id }) => allowedModels.includes(id));
}

export function listModelsRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> =>
    Response.json(modelList(await visibleModels(context, deps)));
}

export function retrieveModelRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const wanted = context.req.param("model");
    const card = (await visibleModels(context, deps)).find((model) => model.id === wanted);
    if (card) return Response.json(modelBody(card));
    const message = "The model does not exist or you do not have access to it.";
    throw new AppError("model_not_found", message, { param: "model" });
  };
}
