// Owns the request schemas of POST /v1/messages and /v1/messages/count_tokens as far as they are served, and the parse
// into them or into the error for the field. Unknown fields are refused, as Anthropic does.
import type { Result } from "@fairlane/base";
import { z } from "zod";
import type { ErrorValue } from "../app-error.ts";
import {
  MESSAGES_MAX,
  NAME_CHARS_MAX,
  OUTPUT_TOKENS_MAX,
  STOP_CHARS_MAX,
  STOP_STRINGS_MAX,
} from "../limits.ts";
import { answerFields } from "../openai/answer-fields.ts";
import type { OffValues } from "../openai/off-values.ts";
import { parseServed } from "../openai/parse-served.ts";
import { functionName, jsonSchema } from "../openai/response-format.ts";
import { toolUseError, type ToolUse } from "../openai/tool-use.ts";
import { toolListOf } from "../openai/tools.ts";
import { cacheControl, messageParam, systemText } from "./content.ts";
import { unsupportedMessage } from "./unsupported.ts";

const tool = z.strictObject({
  type: z.literal("custom").nullish(),
  name: functionName,
  description: z.string().optional(),
  input_schema: jsonSchema,
  strict: z.boolean().optional(),
  cache_control: cacheControl,
});

const oneCall = { disable_parallel_tool_use: z.boolean().optional() };

const promptFields = {
  model: z.string().min(1).max(NAME_CHARS_MAX),
  messages: z.array(messageParam).min(1).max(MESSAGES_MAX),
  system: systemText.optional(),
  tools: toolListOf(tool, ({ name }) => name).optional(),
  tool_choice: z
    .discriminatedUnion("type", [
      z.strictObject({ type: z.literal("auto"), ...oneCall }),
      z.strictObject({ type: z.literal("any"), ...oneCall }),
      z.strictObject({ type: z.literal("tool"), name: functionName, ...oneCall }),
      z.strictObject({ type: z.literal("none") }),
    ])
    .optional(),
  output_config: z
    .strictObject({
      format: z.strictObject({ type: z.literal("json_schema"), schema: jsonSchema }).nullish(),
    })
    .optional(),
  thinking: z.strictObject({ type: z.literal("disabled") }).optional(),
  cache_control: cacheControl,
};

export const countTokensSchema = z.strictObject(promptFields);

export const messageRequestSchema = z.strictObject({
  ...promptFields,
  max_tokens: z.int().min(1).max(OUTPUT_TOKENS_MAX),
  stop_sequences: z
    .array(
      z
        .string()
        .min(1)
        .max(STOP_CHARS_MAX)
        .refine((text) => text.isWellFormed(), { message: "not well-formed Unicode" }),
    )
    .max(STOP_STRINGS_MAX)
    .optional(),
  stream: z.boolean().optional(),
  temperature: z.number().min(0).max(1).optional(),
  top_p: answerFields.top_p,
  top_k: answerFields.top_k,
  metadata: z.strictObject({ user_id: z.string().max(NAME_CHARS_MAX).nullish() }).optional(),
  service_tier: z.enum(["auto", "standard_only"]).optional(),
});

export type MessageRequest = z.infer<typeof messageRequestSchema>;
export type CountTokensRequest = z.infer<typeof countTokensSchema>;

const OFF_VALUES: OffValues = {
  container: [null],
  diagnostics: [null],
  inference_geo: [null],
  mcp_servers: [null],
  speed: [null, "standard"],
};

/** Validates a decoded JSON body of /v1/messages; the error names the first wrong field. */
export function parseMessageRequest(body: unknown): Result<MessageRequest, ErrorValue> {
  return parsed(body, messageRequestSchema);
}

/** The same of /v1/messages/count_tokens. */
export function parseCountTokensRequest(body: unknown): Result<CountTokensRequest, ErrorValue> {
  return parsed(body, countTokensSchema);
}

function parsed<Request extends CountTokensRequest>(
  body: unknown,
  schema: z.ZodType<Request>,
): Result<Request, ErrorValue> {
  return parseServed(body, {
    offValues: OFF_VALUES,
    schemaOf: () => schema,
    unsupported: unsupportedMessage,
    check: (request) => checkTools(request) ?? checkTurns(request),
  });
}

function checkTools({ tools, tool_choice: choice, output_config: output }: CountTokensRequest) {
  const format = { param: "output_config.format", words: "'output_config.format'" };
  return toolUseError({
    names: (tools ?? []).map(({ name }) => name),
    choice: choiceOf(choice),
    format: output?.format ? format : null,
  });
}

function choiceOf(choice: CountTokensRequest["tool_choice"]): ToolUse["choice"] {
  if (choice?.type === "tool") return { name: choice.name, param: "tool_choice.name" };
  if (choice?.type === "any") return "call";
  return choice?.type === "none" ? "none" : "free";
}

/** An answer that continues one of the assistant's would have to be cut out of the template. */
function checkTurns({ messages }: CountTokensRequest): ErrorValue | null {
  if (messages.at(-1)?.role !== "assistant") return null;
  const param = `messages[${messages.length - 1}].role`;
  const message =
    "Unsupported: the last message is the assistant's; an answer cannot be continued. End with a message of the user.";
  return { code: "unsupported_parameter", message, param };
}
