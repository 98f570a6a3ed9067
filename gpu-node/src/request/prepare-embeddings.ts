// Owns N0 of embeddings: a parsed request becomes one request to the engine per input, or the error that the client sees.
// Invariant: each input has at least one token, all of them the model's, and fits into the context.
import { err, ok, type Result } from "@fairlane/base";
import {
  embeddingInputs,
  type EmbeddingInput,
  type EmbeddingRequest,
  type ErrorValue,
} from "@fairlane/protocol";
import type { EngineRequest } from "../engine/worker-messages.ts";
import { modelNotFound, type RequestTerms, type ServedModel } from "./prepare-request.ts";

/** Sampling of what samples nothing. */
const NO_SAMPLING = { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0 };

/** Checks the name, tokenises, sizes. */
export async function prepareEmbeddings(
  input: { readonly body: EmbeddingRequest; readonly terms: RequestTerms },
  model: ServedModel,
): Promise<Result<readonly EngineRequest[], ErrorValue>> {
  const { body, terms } = input;
  if (body.model !== undefined && body.model !== model.id) return err(modelNotFound(body.model));
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

async function tokensOf(
  input: EmbeddingInput,
  param: string,
  model: ServedModel,
): Promise<Result<Int32Array, ErrorValue>> {
  const { contextTokens, tokenBytesMax, vocabSize } = model;
  // Far too long a text is refused without the seconds that tokenising it would take.
  const atLeast =
    typeof input === "string"
      ? Buffer.byteLength(input.normalize("NFC")) / tokenBytesMax
      : input.length;
  if (atLeast >= contextTokens)
    return err(tooLong(`at least ${Math.floor(atLeast)}`, param, model));
  const tokens = typeof input === "string" ? await model.encodeText(input) : Int32Array.from(input);
  if (tokens.length === 0) {
    return err({
      code: "invalid_value",
      message: `Invalid '${param}': the text has no tokens.`,
      param,
    });
  }
  if (tokens.length >= contextTokens) return err(tooLong(String(tokens.length), param, model));
  const stray = tokens.find((token) => token >= vocabSize);
  if (stray === undefined) return ok(tokens);
  const message = `Invalid '${param}': the model has the tokens 0 to ${vocabSize - 1}, not ${stray}.`;
  return err({ code: "invalid_value", message, param });
}

function tooLong(tokens: string, param: string, { contextTokens }: ServedModel): ErrorValue {
  const message = `This model's maximum context length is ${contextTokens} tokens. However, '${param}' has ${tokens} tokens. Please reduce it.`;
  return { code: "context_length_exceeded", message, param };
}
