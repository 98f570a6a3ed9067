// Owns who calls a route that computes nothing, by whichever door: the tenant's own (one RPC to its account, like an
// admission) or the operator's. Fails closed.
import {
  AppError,
  type Actor,
  type AuthorizeInput,
  type AuthorizeOutcome,
  type Caller,
  type CallerClaim,
  type Scope,
} from "@fairlane/protocol";
import { ACCOUNT_UNAVAILABLE } from "../admission/account-unavailable.ts";
import { accountOf, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";
import { ACCOUNT_TIMEOUT_MS } from "../limits.ts";
import { withTimeout } from "../with-timeout.ts";
import { hideKeyState } from "./authenticate.ts";
import { authenticateCaller } from "./authenticate-caller.ts";
import { authenticateAdmin } from "./authenticate-admin.ts";
import { clientAddress } from "./client-address.ts";

/** Whoever has the admin token. */
export const OPERATOR: Actor = { kind: "operator", id: "operator" };

export interface AuthorizedCaller {
  readonly caller: Caller;
  readonly weight: number;
  readonly claim: CallerClaim;
  /** See AuthorizeOutcome. */
  readonly filesKey?: string;
  readonly retainedKey?: string;
}

/** The caller with its tenant's weight, once its account says that it has the scope; throws the refusal. */
export async function authorize(
  context: EdgeContext,
  deps: EdgeDependencies,
  scope: Scope | null,
): Promise<AuthorizedCaller> {
  const { tenantId, claim } = await authenticateCaller(context.req.raw, deps.config.keyPepper);
  const clientIp = clientAddress(context.req.raw.headers, deps.config.clientAddress);
  const input = { tenantId, claim, requestId: context.get("requestId"), scope, clientIp };
  const outcome = await askAccount(deps, input);
  context.set("rates", outcome.rates);
  if (!outcome.ok) throw AppError.of(hideKeyState(outcome.error));
  return { ...outcome, claim };
}

/** The operator on behalf of a tenant, which may not exist; throws invalid_admin_token. */
export async function authorizeOperator(
  context: EdgeContext,
  deps: EdgeDependencies,
  tenantId: string,
): Promise<Caller> {
  await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
  return { tenantId, actor: OPERATOR, role: null, scopes: [], manager: null };
}

async function askAccount(
  deps: EdgeDependencies,
  input: AuthorizeInput,
): Promise<AuthorizeOutcome> {
  try {
    const asked = accountOf(deps, input.tenantId).authorize(input);
    return await withTimeout(asked, ACCOUNT_TIMEOUT_MS);
  } catch (error) {
    logFailure("authorization_failed", input.requestId, error);
    return { ok: false, error: ACCOUNT_UNAVAILABLE, rates: null };
  }
}
