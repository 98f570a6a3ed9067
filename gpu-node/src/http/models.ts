// Owns GET /v1/models and /v1/models/{id}: the one model of this node, and its adapters under their names.
import { AppError, modelBody, modelList, type ModelCard } from "@fairlane/protocol";
import type { AdapterLibrary } from "../adapters/adapter-library.ts";
import { modelNotFound, type ServedModel } from "../request/prepare-request.ts";
import { sendJson, type Exchange } from "./exchange.ts";

/** What is served now. */
export interface ServedNames {
  readonly model: ServedModel | null;
  readonly adapters: Pick<AdapterLibrary, "list"> | null;
}

/** Lists the model and its adapters; an empty list while it is loading. */
export function listModels(exchange: Exchange, served: ServedNames): void {
  sendJson(exchange, 200, modelList(cardsOf(served)));
}

/** Answers with the model, or the adapter, of this id. */
export function retrieveModel(exchange: Exchange, id: string, served: ServedNames): void {
  const card = cardsOf(served).find((one) => one.id === id);
  if (card === undefined) throw AppError.of(modelNotFound(id));
  sendJson(exchange, 200, modelBody(card));
}

function cardsOf({ model, adapters }: ServedNames): readonly ModelCard[] {
  if (model === null) return [];
  const base = cardOf(model);
  const named = (adapters?.list ?? []).map(({ name, loadedSeconds }) => {
    return { ...base, id: name, createdSeconds: loadedSeconds, parent: base.id };
  });
  return [base, ...named];
}

function cardOf(model: ServedModel): ModelCard {
  return {
    id: model.id,
    createdSeconds: model.createdSeconds,
    contextTokens: model.contextTokens,
    outputTokensDefault: model.outputTokensDefault,
  };
}
