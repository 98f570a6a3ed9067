// E2, admit, at its authority: the key, then the tenant, then the limits; guards first, and nothing is taken before
// the last one. Writes no storage. The order of guards is what a caller may learn: a wrong key learns nothing.
import { assert } from "@fairlane/base";
import type {
  AccountConfig,
  AccountKey,
  AdmitInput,
  AdmitOutcome,
  ErrorCode,
  ErrorValue,
} from "@fairlane/protocol";
import { RETRY_AFTER_MS } from "../limits.ts";
import type { AccountLimits } from "./account-limits.ts";
import { keyRefusal } from "./key-refusal.ts";
import type { KeyRing } from "./keys.ts";
import { reapHolds } from "./reap.ts";

export interface Account {
  readonly config: AccountConfig;
  readonly keys: KeyRing;
  readonly limits: AccountLimits;
  readonly tenantSalt: string;
  readonly retainedKey: string;
}

/** Decides on one request and, when it is admitted, takes what it needs. */
export function admit(account: Account, input: AdmitInput, nowMs: number): AdmitOutcome {
  const { config, keys, limits } = account;
  // 1. The key.
  const key = keys.verified(input.keyId, input.secretHash);
  if (!key || input.tenantId !== config.tenantId || key.revokedAtMs !== null) {
    return refusal("invalid_api_key", "The API key is not valid.");
  }
  // 2. What it may do.
  const refused = keyRefusal(key, input, nowMs);
  if (refused) return { ok: false, error: refused, rates: null };
  if (!config.active) return refusal("tenant_suspended", "The account is suspended.");
  // 3. The limits. The same request asked again (its answer was lost) takes nothing again.
  reapHolds(limits, config.tenantId, nowMs);
  const isRepeated = limits.holds.has(input.requestId);
  const error = isRepeated ? undefined : limitError(limits, input.hold, nowMs);
  if (error) return { ok: false, error, rates: limits.rates(nowMs) };
  // 4. Taken.
  if (!isRepeated) take(limits, input, nowMs);
  return { ok: true, principal: principalOf(account, key), rates: limits.rates(nowMs) };
}

function limitError(
  limits: AccountLimits,
  hold: AdmitInput["hold"],
  nowMs: number,
): ErrorValue | undefined {
  const { holds, requests, tokens, parallelRequests } = limits;
  if (hold !== null && holds.count >= Math.min(parallelRequests, holds.capacity)) {
    const message = `Limit reached: ${parallelRequests} parallel requests are running.`;
    return limited("too_many_parallel_requests", message, RETRY_AFTER_MS);
  }
  const requestsWaitMs = requests.waitMs(1, nowMs);
  if (requestsWaitMs > 0) {
    const message = `Rate limit reached: ${requests.perMinute} requests per minute.`;
    return limited("rate_limit_requests", message, requestsWaitMs);
  }
  const wantedTokens = takenTokens(limits, hold);
  const tokensWaitMs = tokens.waitMs(wantedTokens, nowMs);
  if (tokensWaitMs === 0) return undefined;
  const message = `Rate limit reached: ${tokens.perMinute} tokens per minute, ${tokens.remaining(nowMs)} remain and up to ${wantedTokens} are needed.`;
  return limited("rate_limit_tokens", message, tokensWaitMs);
}

// An estimate is an upper bound: one above the limit takes the whole bucket instead of never being admitted, and
// the settlement takes what was used beyond.
function takenTokens(limits: AccountLimits, hold: AdmitInput["hold"]): number {
  return Math.min(hold?.tokensEstimate ?? 0, limits.tokens.perMinute);
}

function take(limits: AccountLimits, input: AdmitInput, nowMs: number): void {
  limits.requests.take(1, nowMs);
  if (input.hold === null) return;
  const tokensEstimate = takenTokens(limits, input.hold);
  limits.tokens.take(tokensEstimate, nowMs);
  const { requestId, hold } = input;
  const held = limits.holds.reserve({ requestId, tokensEstimate, leaseUntilMs: hold.leaseUntilMs });
  assert(held.ok, `hold of ${requestId} failed after its guards`);
}

function principalOf({ config, tenantSalt, retainedKey }: Account, key: AccountKey) {
  return {
    tenantId: config.tenantId,
    projectId: key.projectId,
    keyId: key.keyId,
    allowedModels: key.allowedModels,
    weight: config.weight,
    priceVersion: config.prices.version,
    tenantSalt,
    retainedKey,
  };
}

function limited(code: ErrorCode, message: string, retryAfterMs: number): ErrorValue {
  return { code, message, param: null, retryAfterMs };
}

function refusal(code: ErrorCode, message: string): AdmitOutcome {
  return { ok: false, error: { code, message, param: null }, rates: null };
}
