// E2, admit, at its authority: the key, then the tenant, then the limits; guards first, and nothing is taken before
// the last one. Writes storage only when the limits' covers need it. The order of guards is what a caller may learn: a wrong key learns nothing.
import type {
  AccountConfig,
  AccountKey,
  AdmitInput,
  AdmitOutcome,
  ErrorCode,
  ErrorValue,
  HoldInput,
} from "@fairlane/protocol";
import { RETRY_AFTER_MS } from "../limits.ts";
import type { AccountLimits } from "./account-limits.ts";
import { keyRefusal } from "./key-refusal.ts";
import type { KeyRing } from "./keys.ts";
import { parallelError, rateError } from "./limit-error.ts";
import type { BucketUnits } from "./limit-scope.ts";
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
  const error = isRepeated ? null : limitError(limits, { key, hold: input.hold }, nowMs);
  if (error) return { ok: false, error, rates: limits.rates(key, nowMs) };
  // 4. Taken.
  if (!isRepeated) take(limits, { key, input }, nowMs);
  return { ok: true, principal: principalOf(account, key), rates: limits.rates(key, nowMs) };
}

function limitError(
  limits: AccountLimits,
  wanted: { readonly key: AccountKey; readonly hold: HoldInput | null },
  nowMs: number,
): ErrorValue | null {
  const { key, hold } = wanted;
  const scopes = limits.scopesOf(key);
  if (hold !== null) {
    if (limits.holds.count >= limits.holds.capacity) {
      const message = `The account runs ${limits.holds.capacity} requests, as many as any may.`;
      return {
        code: "too_many_parallel_requests",
        message,
        param: null,
        retryAfterMs: RETRY_AFTER_MS,
      };
    }
    const error = parallelError(scopes, nowMs);
    if (error) return error;
  }
  return rateError(scopes, unitsOf(hold), nowMs);
}

function take(
  limits: AccountLimits,
  admitted: { readonly key: AccountKey; readonly input: AdmitInput },
  nowMs: number,
): void {
  const { key, input } = admitted;
  const { requestId, hold } = input;
  const caller = { projectId: key.projectId, keyId: key.keyId };
  if (hold === null) return limits.takeRequest(caller, nowMs);
  const units = unitsOf(hold);
  const { leaseUntilMs } = hold;
  limits.hold({ requestId, tokensEstimate: units.tokens, leaseUntilMs, caller, units }, nowMs);
}

/** What a request takes of each limit per minute. */
function unitsOf(hold: HoldInput | null): BucketUnits {
  if (hold === null) return { requests: 1, tokens: 0, inputTokens: 0, outputTokens: 0 };
  const outputTokens = hold.outputTokensMax * hold.answerCount;
  const inputTokens = hold.promptTokensMax;
  return { requests: 1, tokens: inputTokens + outputTokens, inputTokens, outputTokens };
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

/** A refusal that says nothing of the limits. */
export function refusal(
  code: ErrorCode,
  message: string,
): Extract<AdmitOutcome, { readonly ok: false }> {
  return { ok: false, error: { code, message, param: null }, rates: null };
}
