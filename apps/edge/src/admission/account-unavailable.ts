// Owns the refusal when a tenant's account does not answer: nothing is served without its word.
import type { ErrorValue } from "@fairlane/protocol";
import { RETRY_AFTER_MS } from "../limits.ts";

export const ACCOUNT_UNAVAILABLE: ErrorValue = {
  code: "account_unavailable",
  message: "The tenant's account cannot be asked at the moment. Nothing was computed; try again.",
  param: null,
  retryAfterMs: RETRY_AFTER_MS,
};
