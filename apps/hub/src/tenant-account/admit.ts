// E2, admit, at its authority: the key, then the tenant, then the limits; guards first, and nothing is taken before
// the last one. Writes storage only when the limits' covers need it. The order of guards is what a caller may learn: a
// wrong key learns nothing.
import type {
  AccountConfig,
  AccountKey,
  AdmitInput,
  AdmitOutcome,
  ErrorCode,
  ErrorValue,
  HoldInput,
} from "@fairlane/protocol";
import { GRANT_OUTPUT_TOKENS, RETRY_AFTER_MS } from "../limits.ts";
import type { AccountLimits } from "./account-limits.ts";
import { neededNanoUsd, type Funds } from "./funds.ts";
import type { IdempotencyKeys, KnownKey } from "./idempotency.ts";
import { keyRefusal } from "./key-refusal.ts";
import type { KeyRing } from "./keys.ts";
import { parallelError, rateError } from "./limit-error.ts";
import type { BucketUnits } from "./limit-scope.ts";
import { reapHolds } from "./reap.ts";

export interface Account {
  readonly config: AccountConfig;
  readonly keys: KeyRing;
  readonly limits: AccountLimits;
  readonly funds: Funds;
  readonly idempotency: IdempotencyKeys;
  readonly tenantSalt: string;
  readonly retainedKey: string;
  readonly filesKey: string;
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
  // 3. Whether another request has its idempotency key: then it is told of that one instead.
  const claim = claimOf(key, input);
  const known = claim && account.idempotency.find(claim, nowMs);
  if (known && known.kind !== "free") return knownKey(account, { key, known }, nowMs);
  // 4. The limits. The same request asked again (its answer was lost) takes nothing again.
  reapHolds(limits, config.tenantId, nowMs);
  const isRepeated = limits.holds.has(input.requestId);
  const wanted = { key, hold: input.hold, nanoUsd: firstNanoUsd(config, input.hold) };
  const error = isRepeated ? null : limitError(account, wanted, nowMs);
  if (error) return { ok: false, error, rates: limits.rates(key, nowMs) };
  // 5. Taken.
  if (!isRepeated) take(account, { ...wanted, requestId: input.requestId }, nowMs);
  if (claim) account.idempotency.claim(claim, claim.leaseUntilMs, nowMs);
  return {
    ok: true,
    principal: principalOf(account, key),
    rates: limits.rates(key, nowMs),
    grantTokens: limits.holds.get(input.requestId)?.grantTokens ?? null,
  };
}

/** The key that a request comes with, if it computes anything. */
function claimOf({ projectId }: AccountKey, { idempotency, hold, requestId }: AdmitInput) {
  if (!idempotency || hold === null) return undefined;
  return { ...idempotency, projectId, requestId, leaseUntilMs: hold.leaseUntilMs };
}

/** A replay counts as one request, and takes nothing else. */
function knownKey(
  account: Account,
  found: { readonly key: AccountKey; readonly known: Exclude<KnownKey, { readonly kind: "free" }> },
  nowMs: number,
): AdmitOutcome {
  const { limits } = account;
  const { key, known } = found;
  if (known.kind === "refused") {
    return { ok: false, error: known.error, rates: limits.rates(key, nowMs) };
  }
  const error = rateError(limits.scopesOf(key), unitsOf(null), nowMs);
  if (error) return { ok: false, error, rates: limits.rates(key, nowMs) };
  limits.takeRequest({ projectId: key.projectId, keyId: key.keyId }, nowMs);
  const { requestId, state } = known;
  return {
    ok: true,
    principal: principalOf(account, key),
    rates: limits.rates(key, nowMs),
    grantTokens: null,
    idempotent: { requestId, state },
  };
}

interface WantedHold {
  readonly key: AccountKey;
  readonly hold: HoldInput | null;
  /** Bound of the cost of the prompt and of the first grant of every answer. */
  readonly nanoUsd: number;
}

function limitError(account: Account, wanted: WantedHold, nowMs: number): ErrorValue | null {
  const { limits, funds } = account;
  const { key, hold, nanoUsd } = wanted;
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
    const scopeIds = scopeIdsOf(account, key);
    const heldOf = (scopeId: string): number => limits.heldNanoUsd(scopeId, nowMs);
    const error =
      funds.refusal({ scopeIds, nanoUsd, heldOf }, nowMs) ?? parallelError(scopes, nowMs);
    if (error) return error;
  }
  return rateError(scopes, unitsOf(hold), nowMs);
}

function take(
  account: Account,
  admitted: WantedHold & { readonly requestId: string },
  nowMs: number,
): void {
  const { limits, funds } = account;
  const { key, hold, nanoUsd, requestId } = admitted;
  const caller = { projectId: key.projectId, keyId: key.keyId };
  if (hold === null) return limits.takeRequest(caller, nowMs);
  const units = unitsOf(hold);
  const isCapped = funds.isHard(scopeIdsOf(account, key));
  limits.hold(
    {
      requestId,
      tokensEstimate: units.tokens,
      leaseUntilMs: hold.leaseUntilMs,
      caller,
      units,
      nanoUsd,
      attempt: 1,
      grantTokens: isCapped ? firstGrantTokens(hold) : null,
    },
    nowMs,
  );
}

function scopeIdsOf({ config }: Account, { projectId, keyId }: AccountKey): readonly string[] {
  return [config.tenantId, projectId, keyId];
}

/** Answers that the hub cannot see grow hold all of their tokens at once. */
function firstGrantTokens({ outputTokensMax, isRenewable }: HoldInput): number {
  return isRenewable ? Math.min(outputTokensMax, GRANT_OUTPUT_TOKENS) : outputTokensMax;
}

function firstNanoUsd(config: AccountConfig, hold: HoldInput | null): number {
  if (hold === null) return 0;
  const { model, promptTokensMax: promptTokens, answerCount } = hold;
  const outputTokens = firstGrantTokens(hold) * answerCount;
  return neededNanoUsd(config.prices, { model, promptTokens, outputTokens });
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
    allowedAdapters: key.allowedAdapters,
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
