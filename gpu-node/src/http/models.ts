// Owns GET /v1/models and /v1/models/{id}: the one model of this node.
import { AppError, modelBody, modelList, type ModelCard } from "@fairlane/protocol";
import { modelNotFound, type ServedModel } from "../request/prepare-request.ts";
import { sendJson, type Exchange } from "./exchange.ts";

/** Lists the model; an empty list while it is loading. */
export function listModels(exchange: Exchange, model: ServedModel | null): void {
  sendJson(exchange, 200, modelList(model ? [cardOf(model)] : []));
}

/** Answers with the model of this id. */
export function retrieveModel(exchange: Exchange, id: string, model: ServedModel | null): void {
  if (model?.id !== id) throw AppError.of(modelNotFound(id));
  sendJson(exchange, 200, modelBody(cardOf(model)));
}

function cardOf(model: ServedModel): ModelCard {
  return {
    id: model.id,
    createdSeconds: model.createdSeconds,
    contextTokens: model.contextTokens,
    outputTokensDefault: model.outputTokensDefault,
  };
}
