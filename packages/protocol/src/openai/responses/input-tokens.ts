// Owns the request schema of POST /v1/responses/input_tokens: what makes the prompt of a response, and nothing else. Every
// field may be null, which is the same as absent.
import { err, ok, type Result } from "@fairlane/base";
import type { ErrorValue } from "../../app-error.ts";
import { errorOfIssues } from "../issues.ts";
import { withoutOffFields, type OffValues } from "../off-values.ts";
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
  const rest = withoutOffFields(body, OFF_VALUES);
  if (!rest.ok) return rest;
  const given = Object.entries(rest.value).filter(([, value]) => value !== null);
  const named = Object.assign(Object.create(null) as object, Object.fromEntries(given));
  const unsupported = unsupportedOf(named);
  if (unsupported !== null) return err(unsupported);
  const parsed = inputTokensSchema.safeParse(named, { reportInput: true });
  if (!parsed.success) return err(errorOfIssues(parsed.error.issues));
  const error = checkTools(parsed.data);
  return error === null ? ok({ ...parsed.data, input: parsed.data.input ?? [] }) : err(error);
}
