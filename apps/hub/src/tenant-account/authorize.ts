// Owns the authorisation of routes that compute nothing: the guards of an admission without a hold, and what the
// route learns of its caller. Writes no storage.
import type { AuthorizeInput, AuthorizeOutcome, KeyManager } from "@fairlane/protocol";
import { admit, refusal, type Account } from "./admit.ts";

/** Decides whether the caller may do what its scope names. */
export function authorize(
  account: Account,
  input: AuthorizeInput,
  nowMs: number,
): AuthorizeOutcome {
  const outcome = admit(account, { ...input, hold: null }, nowMs);
  if (!outcome.ok) return outcome;
  const { tenantId, keyId, weight } = outcome.principal;
  const key = account.keys.verified(keyId, input.secretHash);
  if (!key) return refusal("invalid_api_key", "The API key is not valid.");
  const { projectId, scopes, allowedModels, allowedAdapters, allowedIps, expiresAtMs } = key;
  const manager: KeyManager = {
    projectId,
    scopes,
    allowedModels,
    allowedAdapters,
    allowedIps,
    expiresAtMs,
  };
  const caller = { tenantId, actor: { kind: "key", id: keyId }, manager } as const;
  return { ok: true, caller, weight, rates: outcome.rates };
}
