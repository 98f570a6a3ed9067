// Owns N0 of embeddings: a parsed request becomes one request to the engine per input, or the error that the client sees.
// Invariant: each input has at least one token, all of them the model's, and fits into the context.
import { err, ok, type Result } from "@fairlane/base";
import { embeddingInputs, type EmbeddingRequest, type ErrorValue } from "@fairlane/protocol";
import type { EngineRequest } from "../engine/worker-messages.ts";
import { modelRefusal, type RequestTerms, type ServedModel } from "./prepare-request.ts";
import { tokensOf } from "./text-input.ts";

/** Sampling of what samples nothing. */
const NO_SAMPLING = { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0 };

/** Checks the name, tokenises, sizes. */
export async function prepareEmbeddings(
  input: { readonly body: EmbeddingRequest; readonly terms: RequestTerms },
  model: ServedModel,
): Promise<Result<readonly EngineRequest[], ErrorValue>> {
  const { body, terms } = input;
  const unknown = modelRefusal(body.model, terms, model);
  if (unknown !== null) return err(unknown);
  const inputs = embeddingInputs(body);
  const requests: EngineRequest[] = [];
  for (const [index, one] of inputs.entries()) {
    const param = inputs.length === 1 ? "input" : `input.${index}`;
    const promptTokens = await tokensOf(one, param, model);
    if (!promptTokens.ok) return promptTokens;
    requests.push({
      ...terms,
      // The first has the request's own id.
      requestId: index === 0 ? terms.requestId : `${terms.requestId}#${index}`,
      promptTokens: promptTokens.value,
      maxOutputTokens: 0,
      stopTokenIds: [],
      sampling: NO_SAMPLING,
      pooling: body.pooling ?? model.pooling,
    });
  }
  return ok(requests);
}
