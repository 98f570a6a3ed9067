// Owns the request schema of POST /v1/chat/completions as far as it is served, and the parse that turns what a
// client sent into it or into OpenAI's error for the field. Unknown fields are refused as OpenAI does; fields
// that OpenAI has and Fairlane does not serve yet pass only at the value that means "off".
import { err, ok, type Result } from "@fairlane/base";
import { z } from "zod";
import type { ErrorValue } from "../app-error.ts";
import { MESSAGES_MAX, METADATA_ENTRIES_MAX, TOP_LOGPROBS_MAX } from "../limits.ts";
import { answerFields, checkAnswerFields, checkStreamOptions } from "./answer-fields.ts";
import { errorOfIssues } from "./issues.ts";
import { message } from "./message.ts";
import { withoutOffFields, type OffValues } from "./off-values.ts";
import { responseFormat } from "./response-format.ts";
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
  metadata: z
    .record(z.string().max(64), z.string().max(512))
    .refine((entries) => Object.keys(entries).length <= METADATA_ENTRIES_MAX, {
      message: `at most ${METADATA_ENTRIES_MAX} entries`,
    })
    .nullish(),
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
  const rest = withoutOffFields(body, OFF_VALUES);
  if (!rest.ok) return rest;
  const parsed = chatRequestSchema.safeParse(rest.value, { reportInput: true });
  if (!parsed.success) return err(errorOfIssues(parsed.error.issues));
  const streamError = checkStreamOptions(parsed.data);
  if (streamError !== null) return err(streamError);
  if (parsed.data.top_logprobs && parsed.data.logprobs !== true) {
    const message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
    return err({ code: "invalid_value", message, param: "top_logprobs" });
  }
  const error =
    checkAnswerFields(parsed.data, requestedOutputTokens(parsed.data)) ?? checkTools(parsed.data);
  return error === null ? ok(parsed.data) : err(error);
}

/** Whether what the request says of tools fits together. */
function checkTools(request: ChatRequest): ErrorValue | null {
  const { tools, tool_choice: choice = "auto", response_format: format } = request;
  const names = (tools ?? []).map((one) => one.function.name);
  if (choice === "required" && names.length === 0) {
    const message = "Invalid 'tool_choice': it wants a call, and the request has no 'tools'.";
    return { code: "invalid_value", message, param: "tool_choice" };
  }
  if (typeof choice === "object" && choice !== null && !names.includes(choice.function.name)) {
    const message = `Invalid 'tool_choice': the request has no tool '${choice.function.name}'.`;
    return { code: "invalid_value", message, param: "tool_choice" };
  }
  const isFree = !format || format.type === "text";
  if (isFree || names.length === 0 || choice === "none") return null;
  const message =
    "Unsupported: 'tools' together with a 'response_format' other than text, unless 'tool_choice' is 'none'.";
  return { code: "unsupported_parameter", message, param: "response_format" };
}

/** The output bound that the client asked for, if any: max_completion_tokens wins over the older max_tokens. */
export function requestedOutputTokens(request: ChatRequest): number | undefined {
  return request.max_completion_tokens ?? request.max_tokens ?? undefined;
}
