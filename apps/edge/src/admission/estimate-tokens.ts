// Owns the bound of what a request may take, before a tokeniser is at hand: never below the true count, so that
// a hold covers it. Settling replaces it by what was computed.
import {
  choiceCounts,
  messageText,
  requestedOutputTokens,
  type ChatRequest,
} from "@fairlane/protocol";
import {
  OUTPUT_TOKENS_DEFAULT,
  TEMPLATE_TOKENS_PER_MESSAGE,
  TEMPLATE_TOKENS_PER_REQUEST,
} from "../limits.ts";

const encoder = new TextEncoder();

/** Upper bound of the prompt's tokens: byte-level tokenisers make at most one token of a byte of UTF-8. */
export function promptTokensMax(request: ChatRequest): number {
  let tokens = TEMPLATE_TOKENS_PER_REQUEST;
  for (const message of request.messages) {
    tokens += TEMPLATE_TOKENS_PER_MESSAGE + encoder.encode(messageText(message.content)).length;
    if (message.name !== undefined) tokens += encoder.encode(message.name).length;
  }
  return tokens;
}

/** Upper bound of the prompt and all answers together. */
export function estimateTokens(request: ChatRequest): number {
  const outputTokens = requestedOutputTokens(request) ?? OUTPUT_TOKENS_DEFAULT;
  return promptTokensMax(request) + outputTokens * choiceCounts(request).computed;
}
