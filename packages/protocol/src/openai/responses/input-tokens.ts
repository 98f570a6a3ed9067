// Owns the request schema of POST /v1/responses/input_tokens: what makes the prompt of a response, and nothing else. Every
// field may be null, which is the same as absent.
import { ok, type Result } from "@fairlane/base";
import type { ErrorValue } from "../../app-error.ts";
import type { OffValues } from "../off-values.ts";
import { parseServed } from "../parse-served.ts";
import { checkTools, responseRequestSchema, type ResponseRequest } from "./request.ts";
import { unsupportedOf } from "./unsupported.ts";

export const inputTokensSchema = responseRequestSchema
  .pick({
    model: true,
    input: true,
    instructions: true,
    previous_response_id: true,
    tools: true,
    tool_choice: true,
    parallel_tool_calls: true,
    text: true,
  })
  .partial({ input: true });

const OFF_VALUES: OffValues = {
  conversation: [null],
  personality: [null],
  reasoning: [null],
  truncation: [null, "disabled"],
};

/** Validates a decoded JSON body; without `input` it has no items of its own. */
export function parseInputTokensRequest(body: unknown): Result<ResponseRequest, ErrorValue> {
  const parsed = parseServed(withoutNulls(body), {
    offValues: OFF_VALUES,
    schemaOf: () => inputTokensSchema,
    unsupported: unsupportedOf,
    check: checkTools,
  });
  return parsed.ok ? ok({ ...parsed.value, input: parsed.value.input ?? [] }) : parsed;
}

/** Of an object; anything else is refused by the parse. */
function withoutNulls(body: unknown): unknown {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body;
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}
