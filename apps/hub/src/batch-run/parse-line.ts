// Owns what a line of a batch's input is: an object with a custom_id of its own, a method, the batch's url and a body.
import { err, ok, type Result } from "@fairlane/base";
import {
  errorOfIssues,
  protocolLimits,
  type BatchEndpoint,
  type ErrorValue,
} from "@fairlane/protocol";
import { z } from "zod";

const schema = z.strictObject({
  custom_id: z.string().min(1).max(protocolLimits.NAME_CHARS_MAX),
  method: z.literal("POST"),
  url: z.string().max(protocolLimits.NAME_CHARS_MAX),
  body: z.record(z.string(), z.unknown()),
});

export interface LineRequest {
  readonly customId: string;
  readonly endpoint: BatchEndpoint;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The request of a line, or what is wrong with it. @param text null for a line above the bound */
export function parseLine(
  text: string | null,
  endpoint: BatchEndpoint,
): Result<LineRequest, ErrorValue> {
  if (text === null) {
    const message = `The line is longer than ${protocolLimits.BODY_BYTES_MAX} bytes.`;
    return err({ code: "request_too_large", message, param: null });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The exception's message quotes the line.
    return err({ code: "invalid_json", message: "The line is not JSON.", param: null });
  }
  const parsed = schema.safeParse(json, { reportInput: true });
  if (!parsed.success) return err(errorOfIssues(parsed.error.issues));
  const { custom_id: customId, url, body } = parsed.data;
  if (url === endpoint) return ok({ customId, endpoint, body });
  const message = `The line's 'url' must be that of the batch, '${endpoint}'.`;
  return err({ code: "invalid_value", message, param: "url" });
}
