// Owns the request schema of POST /v1/chat/completions as far as it is served, and the parse that turns what a
// client sent into it or into OpenAI's error for the field. Unknown fields are refused as OpenAI does; fields
// that OpenAI has and Fairlane does not serve yet pass only at the value that means "off".
import type { Result } from "@fairlane/base";
import { z } from "zod";
import type { ErrorValue } from "../app-error.ts";
import { MESSAGES_MAX, TOP_LOGPROBS_MAX } from "../limits.ts";
import { answerFields, checkAnswerFields, checkStreamOptions } from "./answer-fields.ts";
import { message } from "./message.ts";
import { metadata } from "./metadata.ts";
import type { OffValues } from "./off-values.ts";
import { parseServed } from "./parse-served.ts";
import { responseFormat } from "./response-format.ts";
import { choiceOf, toolUseError } from "./tool-use.ts";
import { toolChoice, toolList } from "./tools.ts";

export const chatRequestSchema = z.strictObject({
  ...answerFields,
  messages: z.array(message).min(1).max(MESSAGES_MAX),
  max_completion_tokens: answerFields.max_tokens,
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(TOP_LOGPROBS_MAX).nullish(),
  response_format: responseFormat.nullish(),
  tools: toolList.nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  metadata: metadata.nullish(),
});

export type ChatRequest = z.infer<typeof chatRequestSchema>;

const OFF_VALUES: OffValues = {
  audio: [null],
  function_call: [null, "none"],
  functions: [null],
  modalities: [null],
  prediction: [null],
  prompt_cache_key: [null],
  prompt_cache_retention: [null],
  reasoning_effort: [null],
  safety_identifier: [null],
  service_tier: [null, "auto", "default"],
  store: [null, false],
  verbosity: [null],
  web_search_options: [null],
};

/**
 * Validates a decoded JSON body.
 * @returns the request without fields that were "off", or the error for the first wrong field
 */
export function parseChatRequest(body: unknown): Result<ChatRequest, ErrorValue> {
  return parseServed(body, {
    offValues: OFF_VALUES,
    schemaOf: () => chatRequestSchema,
    check: (request) =>
      checkStreamOptions(request) ??
      checkLogprobs(request) ??
      checkAnswerFields(request, requestedOutputTokens(request)) ??
      checkTools(request),
  });
}

function checkLogprobs(request: ChatRequest): ErrorValue | null {
  if (!request.top_logprobs || request.logprobs === true) return null;
  const message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
  return { code: "invalid_value", message, param: "top_logprobs" };
}

function checkTools(request: ChatRequest): ErrorValue | null {
  const { tools, tool_choice: choice, response_format: format } = request;
  const words = "a 'response_format' other than text";
  return toolUseError({
    names: (tools ?? []).map((one) => one.function.name),
    choice:
      typeof choice === "object" && choice !== null
        ? { name: choice.function.name, param: "tool_choice" }
        : choiceOf(choice),
    format: !format || format.type === "text" ? null : { param: "response_format", words },
  });
}

/** The output bound that the client asked for, if any: max_completion_tokens wins over the older max_tokens. */
export function requestedOutputTokens(request: ChatRequest): number | undefined {
  return request.max_completion_tokens ?? request.max_tokens ?? undefined;
}
