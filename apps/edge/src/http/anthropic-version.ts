// Owns the check of the `anthropic-version` header. There is one version of our answers, so any date will do, and none:
// what is refused is a header that can only be a mistake.
import { err, ok, type Result } from "@fairlane/base";
import type { ErrorValue } from "@fairlane/protocol";

export function checkAnthropicVersion(headers: Headers): Result<undefined, ErrorValue> {
  const version = headers.get("anthropic-version");
  if (version === null || /^20\d\d-\d\d-\d\d$/.test(version)) return ok(undefined);
  const message = "Invalid 'anthropic-version': expected a date such as 2023-06-01.";
  return err({ code: "invalid_value", message, param: "anthropic-version" });
}
