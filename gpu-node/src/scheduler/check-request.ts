// Owns the question whether a request can ever be served by this engine, asked before it may wait. Whether it can
// join now is admission.ts's. Invariant: what passes can be computed alone on an empty pool, and no column
// of a step plan made of it is out of the engine's range.
import { units } from "@fairlane/base";
import type { ErrorValue } from "@fairlane/protocol";
import { isWeight, WEIGHT_MAX } from "@fairlane/vtc";
import type { EngineInfo } from "../engine/engine.ts";
import { biasCountOf } from "../engine/sampling-columns.ts";
import { BIAS_PER_SLOT_MAX } from "../engine/step-layout.ts";
import type { EngineRequest } from "../engine/worker-messages.ts";
import { STOP_TOKEN_IDS_MAX } from "../limits.ts";
import { checkTokenIds } from "../request/check-token-ids.ts";
import { outputTokensMaxOf } from "../request/stop-condition.ts";
import { forkPagesOf } from "./forks.ts";

/** What of the engine bounds a single request. */
export type EngineBounds = Pick<
  EngineInfo,
  "contextTokens" | "pageTokens" | "pageCount" | "kvGroups" | "slotCount" | "vocabSize"
>;

/** The output tokens that the request may have, cut to the context; and the pages of prompt plus these. */
export interface RequestNeeds {
  readonly outputTokensMax: number;
  readonly pages: number;
}

/** Tokens of one request that the engine's pages hold. */
export function poolTokensOf(
  bounds: Pick<EngineBounds, "pageCount" | "pageTokens" | "kvGroups">,
): number {
  return Math.floor(bounds.pageCount / bounds.kvGroups.length) * bounds.pageTokens;
}

/** Output maximum and pages of a request. */
export function needsOf(request: EngineRequest, bounds: EngineBounds): RequestNeeds {
  const promptTokens = request.promptTokens.length;
  const outputTokensMax = outputTokensMaxOf({
    askedTokens: request.maxOutputTokens,
    promptTokens,
    contextTokens: bounds.contextTokens,
  });
  const positionCount = promptTokens + Math.max(outputTokensMax, 0);
  // A page of each KV group, since a request without further ado holds pages of all its positions.
  const pages = units.pagesForTokens(positionCount, bounds.pageTokens) * bounds.kvGroups.length;
  return { outputTokensMax, pages };
}

/** The error of a request that this engine can never serve, naming the bound; null when it can. */
export function checkRequest(request: EngineRequest, bounds: EngineBounds): ErrorValue | null {
  const promptTokens = request.promptTokens.length;
  if (promptTokens === 0)
    return refuse("invalid_messages", "The prompt has no tokens.", "messages");
  const isPooled = request.pooling !== undefined && request.maxOutputTokens === 0;
  if (
    !isPooled &&
    !(Number.isSafeInteger(request.maxOutputTokens) && request.maxOutputTokens >= 1)
  ) {
    const message = `The output maximum must be an integer >= 1, got ${request.maxOutputTokens}.`;
    return refuse("invalid_value", message, "max_completion_tokens");
  }
  if (!isWeight(request.weight)) {
    const message = `The tenant's weight must be an integer from 1 to ${WEIGHT_MAX}, got ${request.weight}.`;
    return refuse("invalid_value", message, "weight");
  }
  return checkSize(request, bounds) ?? checkTokens(request, bounds) ?? checkSampling(request);
}

function checkSize(request: EngineRequest, bounds: EngineBounds): ErrorValue | null {
  const promptTokens = request.promptTokens.length;
  const { contextTokens, pageCount } = bounds;
  if (promptTokens >= contextTokens) {
    const message =
      `This model's maximum context length is ${contextTokens} tokens. However, your messages ` +
      `resulted in ${promptTokens} tokens, which leaves none for the answer. Please reduce the length of the messages.`;
    return refuse("context_length_exceeded", message, "messages");
  }
  const { outputTokensMax, pages } = needsOf(request, bounds);
  if (pages <= pageCount) return checkForks(request, bounds);
  const poolTokens = poolTokensOf(bounds);
  const promptFits = promptTokens < poolTokens;
  const message =
    `This node's KV pool holds ${pageCount} pages, that is ${poolTokens} tokens, for one request at ` +
    `most. However, you requested ${promptTokens + outputTokensMax} tokens (${promptTokens} in the messages, ` +
    `${outputTokensMax} in the completion). Please reduce the length of the messages or of the completion.`;
  return refuse(
    "context_length_exceeded",
    message,
    promptFits ? "max_completion_tokens" : "messages",
  );
}

function checkForks(request: EngineRequest, bounds: EngineBounds): ErrorValue | null {
  const { slotCount, pageCount } = bounds;
  const forkCount = request.forks?.length ?? 0;
  if (forkCount === 0) return null;
  if (1 + forkCount > slotCount) {
    const message = `This node computes at most ${slotCount} answers at once, ${1 + forkCount} were asked for.`;
    return refuse("invalid_value", message, "n");
  }
  const { outputTokensMax, pages } = needsOf(request, bounds);
  const tokens = request.promptTokens.length + outputTokensMax;
  const pagesOfAll = pages + forkCount * forkPagesOf(request, tokens, bounds);
  if (pagesOfAll <= pageCount) return null;
  const message =
    `This node's KV pool holds ${pageCount} pages for one request at most; ${1 + forkCount} answers of up to ` +
    `${outputTokensMax} tokens need ${pagesOfAll}. Please ask for fewer or shorter answers.`;
  return refuse("context_length_exceeded", message, "n");
}

// A token outside of the vocabulary would make the engine refuse the whole step, other tenants' rows included.
function checkTokens(request: EngineRequest, bounds: EngineBounds): ErrorValue | null {
  const { vocabSize } = bounds;
  const stray = request.promptTokens.findIndex((token) => token < 0 || token >= vocabSize);
  if (stray >= 0) {
    const message =
      `Prompt token ${stray} has id ${request.promptTokens[stray]}, the model has ${vocabSize} tokens: ` +
      `tokeniser and model do not belong together.`;
    return refuse("internal_error", message, null);
  }
  if (request.stopTokenIds.length <= STOP_TOKEN_IDS_MAX) return checkTokenIds(request, vocabSize);
  const message = `At most ${STOP_TOKEN_IDS_MAX} stop tokens, got ${request.stopTokenIds.length}.`;
  return refuse("array_above_max_length", message, "stop");
}

// As the engine sees them, in f32: what is a number here may be zero or infinite there.
function checkSampling(request: EngineRequest): ErrorValue | null {
  const { sampling } = request;
  const temperature = Math.fround(sampling.temperature);
  const topP = Math.fround(sampling.topP);
  const { topK } = sampling;
  if (!(Number.isFinite(temperature) && temperature >= 0)) {
    const message = `temperature must be a number >= 0, got ${sampling.temperature}.`;
    return refuse("invalid_value", message, "temperature");
  }
  if (!(topP > 0 && topP <= 1)) {
    return refuse("invalid_value", `top_p must be in (0, 1], got ${sampling.topP}.`, "top_p");
  }
  if (!(Number.isInteger(topK) && topK >= 0 && topK <= 0x7fff_ffff)) {
    return refuse("invalid_value", `top_k must be an integer >= 0, got ${topK}.`, "top_k");
  }
  const biasCount = biasCountOf(request);
  if (biasCount > BIAS_PER_SLOT_MAX) {
    const message = `At most ${BIAS_PER_SLOT_MAX} biased and suppressed tokens, got ${biasCount}.`;
    return refuse("invalid_value", message, "logit_bias");
  }
  return null;
}

function refuse(code: ErrorValue["code"], message: string, param: string | null): ErrorValue {
  return { code, message, param };
}
