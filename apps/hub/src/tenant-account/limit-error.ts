// Owns the words of a refusal for a limit: which one is reached, whose it is, and when to come back.
import type { ErrorCode, ErrorValue } from "@fairlane/protocol";
import { RETRY_AFTER_MS } from "../limits.ts";
import { BUCKET_NAMES, capped, type BucketUnits, type LimitScope } from "./limit-scope.ts";

const UNIT_WORDS = {
  requests: "requests",
  tokens: "tokens",
  inputTokens: "input tokens",
  outputTokens: "output tokens",
} as const;

/** The refusal of a request that would run beside too many others. */
export function parallelError(scopes: readonly LimitScope[], nowMs: number): ErrorValue | null {
  for (const scope of scopes) {
    const { parallelRequests } = scope;
    if (parallelRequests === null || scope.runningRequests(nowMs) < parallelRequests) continue;
    const message = `Limit reached: ${parallelRequests} parallel requests are running${ofWhom(scope)}.`;
    return limited("too_many_parallel_requests", message, RETRY_AFTER_MS);
  }
  return null;
}

/** The refusal for the bucket that needs the longest to have as much as is wanted. */
export function rateError(
  scopes: readonly LimitScope[],
  wanted: BucketUnits,
  nowMs: number,
): ErrorValue | null {
  let longest: ErrorValue | null = null;
  for (const scope of scopes) {
    for (const name of BUCKET_NAMES) {
      const bucket = scope.bucket(name);
      if (!bucket) continue;
      const units = capped(wanted[name], bucket);
      const waitMs = bucket.waitMs(units, nowMs);
      if (waitMs <= (longest?.retryAfterMs ?? 0)) continue;
      const limit = `${bucket.perMinute} ${UNIT_WORDS[name]} per minute${ofWhom(scope)}`;
      const message =
        name === "requests"
          ? `Rate limit reached: ${limit}.`
          : `Rate limit reached: ${limit}, ${bucket.remaining(nowMs)} remain and up to ${units} are needed.`;
      const code = name === "requests" ? "rate_limit_requests" : "rate_limit_tokens";
      longest = limited(code, message, waitMs);
    }
  }
  return longest;
}

function ofWhom({ scopeId }: LimitScope): string {
  if (scopeId.startsWith("key_")) return " of the API key";
  return scopeId.startsWith("prj_") ? " of the project" : "";
}

function limited(code: ErrorCode, message: string, retryAfterMs: number): ErrorValue {
  return { code, message, param: null, retryAfterMs };
}
