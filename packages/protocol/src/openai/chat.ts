// Owns the request schema of POST /v1/chat/completions as far as it is served, and the parse that turns what a
// client sent into it or into OpenAI's error for the field. Unknown fields are refused as OpenAI does; fields
// that OpenAI has and Fairlane does not serve yet pass only at the value that means "off".
import { err, ok, type Result } from "@fairlane/base";
import { z } from "zod";
import type { ErrorValue } from "../app-error.ts";
import {
  CHOICES_MAX,
  LOGIT_BIAS_ENTRIES_MAX,
  MESSAGES_MAX,
  METADATA_ENTRIES_MAX,
  NAME_CHARS_MAX,
  OUTPUT_TOKENS_MAX,
  REPETITION_PENALTY_MAX,
  REPETITION_PENALTY_MIN,
  STOP_CHARS_MAX,
  STOP_STRINGS_MAX,
  STOP_TOKEN_IDS_MAX,
  TOKEN_ID_MAX,
  TOP_LOGPROBS_MAX,
} from "../limits.ts";
import { checkBestOf } from "./choices.ts";
import { errorOfIssues } from "./issues.ts";
import { message } from "./message.ts";
import { responseFormat } from "./response-format.ts";
import { toolChoice, toolList } from "./tools.ts";

const tokenLimit = z.int().min(1).max(OUTPUT_TOKENS_MAX).nullish();

// A lone surrogate is no text: it could only match half a character.
const stopString = z
  .string()
  .min(1)
  .max(STOP_CHARS_MAX)
  .refine((text) => text.isWellFormed(), { message: "not well-formed Unicode" });

// Keys are token ids as JSON has them: decimal, without leading zeros.
const logitBias = z
  .record(z.string().max(NAME_CHARS_MAX), z.number().min(-100).max(100))
  .refine((bias) => Object.keys(bias).length <= LOGIT_BIAS_ENTRIES_MAX, {
    message: `at most ${LOGIT_BIAS_ENTRIES_MAX} entries`,
  })
  .refine(
    (bias) =>
      Object.keys(bias).every((id) => /^(0|[1-9]\d{0,6})$/.test(id) && Number(id) <= TOKEN_ID_MAX),
    { message: `keys must be token ids from 0 to ${TOKEN_ID_MAX}` },
  );

export const chatRequestSchema = z.strictObject({
  model: z.string().min(1).max(NAME_CHARS_MAX).optional(),
  messages: z.array(message).min(1).max(MESSAGES_MAX),
  max_tokens: tokenLimit,
  max_completion_tokens: tokenLimit,
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  // Not OpenAI's, but vLLM's and Hugging Face's: top_k, min_p, typical_p, repetition_penalty, min_tokens,
  // stop_token_ids, ignore_eos.
  top_k: z.int().min(0).max(1_000_000).nullish(),
  seed: z.int().nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  typical_p: z.number().gt(0).max(1).nullish(),
  repetition_penalty: z.number().min(REPETITION_PENALTY_MIN).max(REPETITION_PENALTY_MAX).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: logitBias.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(TOP_LOGPROBS_MAX).nullish(),
  min_tokens: z.int().min(0).max(OUTPUT_TOKENS_MAX).nullish(),
  n: z.int().min(1).max(CHOICES_MAX).nullish(),
  // OpenAI's completions have it, its chats do not: of so many answers the n likeliest are given.
  best_of: z.int().min(1).max(CHOICES_MAX).nullish(),
  stop: z.union([stopString, z.array(stopString).max(STOP_STRINGS_MAX)]).nullish(),
  stop_token_ids: z.array(z.int().min(0).max(TOKEN_ID_MAX)).max(STOP_TOKEN_IDS_MAX).nullish(),
  ignore_eos: z.boolean().nullish(),
  // Not OpenAI's, but llama.cpp's: false keeps the prompt out of the prefix cache, both ways.
  cache_prompt: z.boolean().nullish(),
  response_format: responseFormat.nullish(),
  tools: toolList.nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().optional() }).nullish(),
  user: z.string().max(NAME_CHARS_MAX).optional(),
  metadata: z
    .record(z.string().max(64), z.string().max(512))
    .refine((entries) => Object.keys(entries).length <= METADATA_ENTRIES_MAX, {
      message: `at most ${METADATA_ENTRIES_MAX} entries`,
    })
    .nullish(),
});

export type ChatRequest = z.infer<typeof chatRequestSchema>;

// Field -> the values that mean "off" and are therefore harmless; anything else is `unsupported_parameter`.
const OFF_VALUES: Readonly<Record<string, readonly unknown[]>> = {
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

function isOff(field: string, value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return (OFF_VALUES[field] ?? []).includes(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Validates a decoded JSON body.
 * @returns the request without fields that were "off", or the error for the first wrong field
 */
export function parseChatRequest(body: unknown): Result<ChatRequest, ErrorValue> {
  if (!isRecord(body)) {
    const message = "Invalid body: expected a JSON object.";
    return err({ code: "invalid_type", message, param: null });
  }
  // Without a prototype, so that a field named `__proto__` is a field like any other and refused as unknown.
  const rest = Object.create(null) as Record<string, unknown>;
  for (const [field, value] of Object.entries(body)) {
    if (!Object.hasOwn(OFF_VALUES, field)) {
      rest[field] = value;
    } else if (!isOff(field, value)) {
      const message = `Unsupported parameter: '${field}' is not supported with this value yet.`;
      return err({ code: "unsupported_parameter", message, param: field });
    }
  }
  const parsed = chatRequestSchema.safeParse(rest, { reportInput: true });
  if (!parsed.success) return err(errorOfIssues(parsed.error.issues));
  if (parsed.data.stream_options && parsed.data.stream !== true) {
    const message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
    return err({ code: "invalid_value", message, param: "stream_options" });
  }
  if (parsed.data.top_logprobs && parsed.data.logprobs !== true) {
    const message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
    return err({ code: "invalid_value", message, param: "top_logprobs" });
  }
  const choicesError = checkBestOf(parsed.data);
  if (choicesError !== null) return err(choicesError);
  const outputTokens = requestedOutputTokens(parsed.data);
  const minTokens = parsed.data.min_tokens ?? 0;
  if (outputTokens !== undefined && minTokens > outputTokens) {
    const message = `Invalid 'min_tokens': expected at most the output maximum of ${outputTokens}, but got ${minTokens} instead.`;
    return err({ code: "invalid_value", message, param: "min_tokens" });
  }
  const wrongTools = checkTools(parsed.data);
  return wrongTools === null ? ok(parsed.data) : err(wrongTools);
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

/** The texts that end the answer, none by default. */
export function stopStrings(request: ChatRequest): readonly string[] {
  const stop = request.stop ?? [];
  return typeof stop === "string" ? [stop] : stop;
}
