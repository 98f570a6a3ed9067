// Owns the request schema of POST /v1/responses as far as it is served, and the parse that turns what a client sent
// into it or into OpenAI's error for the field. Built-in tools, images and files are refused by the field's name.
import type { Result } from "@fairlane/base";
import { z } from "zod";
import type { ErrorValue } from "../../app-error.ts";
import { MESSAGES_MAX, NAME_CHARS_MAX, TOP_LOGPROBS_MAX } from "../../limits.ts";
import { answerFields } from "../answer-fields.ts";
import { metadata } from "../metadata.ts";
import type { OffValues } from "../off-values.ts";
import { parseServed } from "../parse-served.ts";
import { functionName, jsonSchema } from "../response-format.ts";
import { choiceOf, toolUseError } from "../tool-use.ts";
import { toolListOf } from "../tools.ts";
import { inputItem } from "./items.ts";
import { unsupportedOf } from "./unsupported.ts";

const tool = z.strictObject({
  type: z.literal("function"),
  name: functionName,
  description: z.string().nullish(),
  parameters: jsonSchema.nullish(),
  strict: z.boolean().nullish(),
});

const format = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text") }),
  z.strictObject({ type: z.literal("json_object") }),
  z.strictObject({
    type: z.literal("json_schema"),
    name: functionName,
    description: z.string().optional(),
    schema: jsonSchema,
    strict: z.boolean().nullish(),
  }),
]);

/** The only thing that an answer can include beyond what it always has. */
export const INCLUDE_LOGPROBS = "message.output_text.logprobs";

export const responseRequestSchema = z.strictObject({
  model: answerFields.model,
  input: z.union([z.string().min(1), z.array(inputItem).min(1).max(MESSAGES_MAX)]),
  instructions: z.string().nullish(),
  previous_response_id: z.string().min(1).max(NAME_CHARS_MAX).nullish(),
  tools: toolListOf(tool, ({ name }) => name).nullish(),
  tool_choice: z
    .union([
      z.enum(["none", "auto", "required"]),
      z.strictObject({ type: z.literal("function"), name: functionName }),
    ])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z
    .strictObject({ format: format.nullish(), verbosity: z.literal("medium").nullish() })
    .nullish(),
  max_output_tokens: answerFields.max_tokens,
  temperature: answerFields.temperature,
  top_p: answerFields.top_p,
  top_logprobs: z.int().min(0).max(TOP_LOGPROBS_MAX).nullish(),
  include: z.array(z.literal(INCLUDE_LOGPROBS)).max(1).nullish(),
  metadata: metadata.nullish(),
  store: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_obfuscation: z.literal(false).optional() }).nullish(),
  user: answerFields.user,
  safety_identifier: z.string().max(NAME_CHARS_MAX).nullish(),
  prompt_cache_key: z.string().max(NAME_CHARS_MAX).nullish(),
});

export type ResponseRequest = z.infer<typeof responseRequestSchema>;

const OFF_VALUES: OffValues = {
  background: [null, false],
  conversation: [null],
  context_management: [null],
  max_tool_calls: [null],
  moderation: [null],
  prompt: [null],
  prompt_cache_options: [null],
  prompt_cache_retention: [null],
  reasoning: [null],
  service_tier: [null, "auto", "default"],
  truncation: [null, "disabled"],
};

/** Validates a decoded JSON body; the error names the first wrong field. */
export function parseResponseRequest(body: unknown): Result<ResponseRequest, ErrorValue> {
  return parseServed(body, {
    offValues: OFF_VALUES,
    schemaOf: () => responseRequestSchema,
    unsupported: unsupportedOf,
    check: (request) => checkTools(request) ?? checkStream(request),
  });
}

function checkStream(request: ResponseRequest): ErrorValue | null {
  if (!request.stream_options || request.stream === true) return null;
  const message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
  return { code: "invalid_value", message, param: "stream_options" };
}

/** Why choice, tools and format do not fit together, or null. */
export function checkTools(
  request: Pick<ResponseRequest, "tool_choice" | "text" | "tools">,
): ErrorValue | null {
  const { tool_choice: choice, text, tools } = request;
  const words = "a 'text.format' other than text";
  return toolUseError({
    names: (tools ?? []).map(({ name }) => name),
    choice:
      typeof choice === "object" && choice !== null
        ? { name: choice.name, param: "tool_choice" }
        : choiceOf(choice),
    format: !text?.format || text.format.type === "text" ? null : { param: "text.format", words },
  });
}

/** The items of the input: a text is one message of the user. */
export function inputItems({ input }: Pick<ResponseRequest, "input">) {
  return typeof input === "string"
    ? [{ type: "message", role: "user", content: input } as const]
    : input;
}
