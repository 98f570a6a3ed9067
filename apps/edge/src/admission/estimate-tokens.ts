// Owns the bound of what a request may take, before a tokeniser is at hand: never below the true count, so that
// a hold covers it. Settling replaces it by what was computed.
import {
  choiceCounts,
  COMPLETION_TOKENS_DEFAULT,
  completionPrompts,
  embeddingInputs,
  messageText,
  requestedOutputTokens,
  type ChatRequest,
  type CompletionRequest,
  type EmbeddingRequest,
  type TextInput,
} from "@fairlane/protocol";
import {
  OUTPUT_TOKENS_DEFAULT,
  TEMPLATE_JSON_PERCENT,
  TEMPLATE_TOKENS_PER_MESSAGE,
  TEMPLATE_TOKENS_PER_REQUEST,
  TOOLS_PREAMBLE_TOKENS,
} from "../limits.ts";

const encoder = new TextEncoder();

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

/** Upper bound of the tokens of all inputs: ids as they are, a text's bytes and what may be added around it. */
export function embeddingTokensMax(request: EmbeddingRequest): number {
  return inputTokensMax(embeddingInputs(request));
}

/** Upper bound of all prompts and all answers together. */
export function completionTokensMax(request: CompletionRequest): number {
  const prompts = completionPrompts(request);
  const outputTokens = request.max_tokens ?? COMPLETION_TOKENS_DEFAULT;
  return inputTokensMax(prompts) + outputTokens * choiceCounts(request).computed * prompts.length;
}

function inputTokensMax(inputs: readonly TextInput[]): number {
  return inputs.reduce((sum, input) => {
    const tokens = typeof input === "string" ? encoder.encode(input).length : input.length;
    return sum + tokens + TEMPLATE_TOKENS_PER_MESSAGE;
  }, 0);
}

/** Upper bound of the prompt and all answers together. */
export function estimateTokens(request: ChatRequest): number {
  const outputTokens = requestedOutputTokens(request) ?? OUTPUT_TOKENS_DEFAULT;
  return promptTokensMax(request) + outputTokens * choiceCounts(request).computed;
}
