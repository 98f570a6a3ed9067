// Owns the authorisation of routes that compute nothing: a key by the guards of an admission without a hold, a session
// by its member's role or its key's terms. Writes no storage.
import {
  roleScopes,
  type AccountKey,
  type AuthorizeInput,
  type AuthorizeOutcome,
  type Caller,
  type KeyManager,
} from "@fairlane/protocol";
import { admit, refusal, type Account } from "./admit.ts";
import { keyRefusal } from "./key-refusal.ts";
import type { People } from "./people.ts";
import type { RateBucket } from "./rate-bucket.ts";

export interface AuthorizingAccount extends Account {
  readonly people: People;
  /** Requests of all sessions. */
  readonly sessionRequests: RateBucket;
}

/** Decides whether the caller may do what its scope names. */
export function authorize(
  account: AuthorizingAccount,
  input: AuthorizeInput,
  nowMs: number,
): AuthorizeOutcome {
  const { claim } = input;
  if (claim.kind === "session") return authorizeSession(account, { ...input, ...claim }, nowMs);
  const outcome = admit(account, { ...input, ...claim, hold: null }, nowMs);
  if (!outcome.ok) return outcome;
  const key = account.keys.find(claim.keyId);
  if (!key) return refusal("invalid_api_key", "The API key is not valid.");
  const { tenantId, weight } = outcome.principal;
  const filesKey = input.scope === "files" ? { filesKey: account.filesKey } : {};
  const caller = callerOfKey(tenantId, key);
  return { ok: true, caller, weight, rates: outcome.rates, ...filesKey };
}

function authorizeSession(
  account: AuthorizingAccount,
  input: AuthorizeInput & { readonly sessionId: string; readonly secretHash: string },
  nowMs: number,
): AuthorizeOutcome {
  const { config, people, sessionRequests } = account;
  const { tenantId, weight } = config;
  // 1. The session, and who it stands for.
  const session = people.sessions.verified(input.sessionId, input.secretHash, nowMs);
  if (!session || input.tenantId !== tenantId) return sessionOver();
  const { subject } = session;
  const caller =
    subject.kind === "member"
      ? callerOfMember(account, subject.memberId)
      : callerOfKey(tenantId, account.keys.find(subject.keyId));
  if (!caller) return sessionOver();
  // 2. What they may do.
  if (subject.kind === "key") {
    const key = account.keys.find(subject.keyId);
    if (!key || key.revokedAtMs !== null) return sessionOver();
    const refused = keyRefusal(key, { ...input, hold: null }, nowMs);
    if (refused) return { ok: false, error: refused, rates: null };
  }
  if (!config.active) return refusal("tenant_suspended", "The account is suspended.");
  if (input.scope !== null && !caller.scopes.includes(input.scope)) {
    return refusal("scope_not_allowed", `The role '${caller.role}' lacks '${input.scope}'.`);
  }
  // 3. How often.
  const waitMs = sessionRequests.waitMs(1, nowMs);
  if (waitMs > 0) {
    const message = `Rate limit reached: ${sessionRequests.perMinute} requests of sessions per minute.`;
    const error = {
      code: "rate_limit_requests",
      message,
      param: null,
      retryAfterMs: waitMs,
    } as const;
    return { ok: false, error, rates: null };
  }
  sessionRequests.take(1, nowMs);
  const { retainedKey } = input.scope === "tenant:export" ? account : {};
  return { ok: true, caller, weight, rates: null, ...(retainedKey ? { retainedKey } : {}) };
}

function callerOfMember(account: AuthorizingAccount, memberId: string): Caller | undefined {
  const role = account.people.members.roleOf(memberId);
  if (role === undefined) return undefined;
  const actor = { kind: "member", id: memberId } as const;
  const { tenantId } = account.config;
  return { tenantId, actor, role, scopes: roleScopes(role), manager: null };
}

function callerOfKey(tenantId: string, key: AccountKey): Caller;
function callerOfKey(tenantId: string, key: AccountKey | undefined): Caller | undefined;
function callerOfKey(tenantId: string, key: AccountKey | undefined): Caller | undefined {
  if (!key) return undefined;
  const { projectId, scopes, allowedModels, allowedAdapters, allowedIps, expiresAtMs } = key;
  const terms = { scopes, allowedModels, allowedAdapters, allowedIps, expiresAtMs };
  const manager: KeyManager = { projectId, ...terms };
  return { tenantId, actor: { kind: "key", id: key.keyId }, role: null, scopes, manager };
}

function sessionOver() {
  return refusal("invalid_session", "The session is over. Log in again.");
}
