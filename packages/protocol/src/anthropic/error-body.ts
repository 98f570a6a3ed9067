// Owns errors in Anthropic's shape: its type by the status, and our own code and the field in `details`, where its SDK
// looks for a code.
import type { ErrorValue } from "../app-error.ts";
import { errorSpec } from "../error-codes.ts";

const TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
};

/** The body of an error. */
export function messageErrorBody({ code, message, param }: ErrorValue, requestId: string) {
  const { status } = errorSpec(code);
  const type = TYPES[status] ?? (status < 500 ? "invalid_request_error" : "api_error");
  const details = { error_code: code, param };
  return { type: "error", error: { type, message, details }, request_id: requestId } as const;
}
