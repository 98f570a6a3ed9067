// Owns the bound of what a request may take, before a tokeniser is at hand: never below the true count, so that
// a hold covers it. Settling replaces it by what was computed.
import {
  OUTPUT_TOKENS_DEFAULT,
  TEMPLATE_JSON_PERCENT,
  TEMPLATE_TOKENS_PER_MESSAGE,
  TEMPLATE_TOKENS_PER_REQUEST,
  TOOLS_PREAMBLE_TOKENS,
} from "../limits.ts";
import type { HoldInput } from "../rpc/account.ts";
import { requestedOutputTokens, type ChatRequest } from "./chat.ts";
import { choiceCounts } from "./choices.ts";
import {
  COMPLETION_TOKENS_DEFAULT,
  completionPrompts,
  type CompletionRequest,
} from "./completions.ts";
import { embeddingInputs, type EmbeddingRequest } from "./embeddings.ts";
import { messageText } from "./message.ts";
import type { TextInput } from "./prompt-inputs.ts";

const encoder = new TextEncoder();

/** A hold without its lease. */
type HoldBounds = Omit<HoldInput, "leaseUntilMs">;

/** Upper bound of the prompt's tokens: byte-level tokenisers make at most one token of a byte of UTF-8. */
export function promptTokensMax(request: ChatRequest): number {
  let tokens = TEMPLATE_TOKENS_PER_REQUEST;
  for (const message of request.messages) {
    tokens += TEMPLATE_TOKENS_PER_MESSAGE + encoder.encode(messageText(message.content)).length;
    if (message.name !== undefined) tokens += encoder.encode(message.name).length;
    tokens += jsonTokensMax(message.tool_calls) + jsonTokensMax(message.reasoning_content);
  }
  if (request.tools?.length) tokens += TOOLS_PREAMBLE_TOKENS + jsonTokensMax(request.tools);
  return tokens;
}

/** Of something that a template writes as JSON, with spaces and indentation of its own. */
function jsonTokensMax(value: unknown): number {
  if (value === undefined || value === null) return 0;
  const bytes = encoder.encode(JSON.stringify(value)).length;
  return Math.ceil((bytes * TEMPLATE_JSON_PERCENT) / 100);
}

/** What an embeddings request may take: of its inputs ids as they are, a text's bytes and what may be added around it. */
export function embeddingHold(request: EmbeddingRequest): HoldBounds {
  const promptTokensMax = inputTokensMax(embeddingInputs(request));
  const model = request.model ?? null;
  return { promptTokensMax, outputTokensMax: 0, answerCount: 1, isRenewable: true, model };
}

/** What a completion request may take, over all its prompts. */
export function completionHold(request: CompletionRequest): HoldBounds {
  const prompts = completionPrompts(request);
  return {
    promptTokensMax: inputTokensMax(prompts),
    outputTokensMax: request.max_tokens ?? COMPLETION_TOKENS_DEFAULT,
    answerCount: choiceCounts(request).computed * prompts.length,
    isRenewable: areAllGiven(request),
    model: request.model ?? null,
  };
}

/** The hub sees answers that are given grow, the others not. */
function areAllGiven(request: Parameters<typeof choiceCounts>[0]): boolean {
  const { given, computed } = choiceCounts(request);
  return given === computed;
}

function inputTokensMax(inputs: readonly TextInput[]): number {
  return inputs.reduce((sum, input) => {
    const tokens = typeof input === "string" ? encoder.encode(input).length : input.length;
    return sum + tokens + TEMPLATE_TOKENS_PER_MESSAGE;
  }, 0);
}

/** What a chat request may take. */
export function chatHold(request: ChatRequest): HoldBounds {
  return {
    promptTokensMax: promptTokensMax(request),
    outputTokensMax: requestedOutputTokens(request) ?? OUTPUT_TOKENS_DEFAULT,
    answerCount: choiceCounts(request).computed,
    isRenewable: areAllGiven(request),
    model: request.model ?? null,
  };
}
