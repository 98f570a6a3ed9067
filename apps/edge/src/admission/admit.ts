// E2, admit: one RPC to the tenant's account, which verifies the key, its scopes and the limits and holds what
// the request may take. Fails closed: no answer is a refusal. Notes the limits for the answer's headers.
import {
  AppError,
  grantOf,
  type AdmitInput,
  type AdmitOutcome,
  type ApiKeyClaim,
  type HoldInput,
  type IdempotencyInput,
  type Principal,
} from "@fairlane/protocol";
import { hideKeyState } from "../auth/authenticate.ts";
import { clientAddress } from "../auth/client-address.ts";
import { accountOf, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";
import { ACCOUNT_TIMEOUT_MS } from "../limits.ts";
import { ACCOUNT_UNAVAILABLE } from "./account-unavailable.ts";
import { IdempotentHit, type ClaimedKey } from "./idempotent-hit.ts";
import { releaseHoldIf } from "./release-hold.ts";
import { withTimeout } from "../with-timeout.ts";

const UNAVAILABLE: AdmitOutcome = { ok: false, error: ACCOUNT_UNAVAILABLE, rates: null };

/** Asks for admission; throws the refusal. */
export async function admit(
  context: EdgeContext,
  deps: EdgeDependencies,
  ask: { readonly claim: ApiKeyClaim } & Pick<AdmitInput, "scope" | "hold" | "wanted">,
): Promise<Principal> {
  const requestId = context.get("requestId");
  const clientIp = clientAddress(context.req.raw.headers, deps.config.clientAddress);
  const { scope, hold, wanted } = ask;
  const idempotency = context.get("idempotency");
  const input = {
    ...ask.claim,
    ...{ requestId, scope, hold, wanted, clientIp },
    ...(idempotency === null || hold === null ? {} : { idempotency: keyOf(idempotency) }),
  };
  const outcome = await askAccount(deps, input);
  context.set("rates", outcome.rates);
  if (outcome.ok) {
    noteClaim(context, outcome, hold);
    context.set("grant", grantOf(hold, outcome.grantTokens));
    return outcome.principal;
  }
  // The account may have held before its answer was lost; nothing was submitted, so the hold is given back.
  if (outcome === UNAVAILABLE && ask.hold !== null) {
    const { tenantId } = ask.claim;
    releaseHoldIf(context, deps, { tenantId, isRefused: Promise.resolve(true) });
  }
  throw AppError.of(hideKeyState(outcome.error));
}

function keyOf({ keyHash, bodyHash }: ClaimedKey): IdempotencyInput {
  return { keyHash, bodyHash };
}

/** Notes that the request has its key now; throws when another one has it. */
function noteClaim(
  context: EdgeContext,
  outcome: Extract<AdmitOutcome, { readonly ok: true }>,
  hold: HoldInput | null,
): void {
  const idempotency = context.get("idempotency");
  if (idempotency === null || hold === null) return;
  const { principal, idempotent } = outcome;
  if (idempotent)
    throw new IdempotentHit({ ...idempotent, principal, keyHash: idempotency.keyHash });
  context.set("idempotency", { ...idempotency, principal });
}

async function askAccount(deps: EdgeDependencies, input: AdmitInput): Promise<AdmitOutcome> {
  try {
    const asked = accountOf(deps, input.tenantId).admit(input);
    return await withTimeout(asked, ACCOUNT_TIMEOUT_MS);
  } catch (error) {
    logFailure("admission_failed", input.requestId, error);
    return UNAVAILABLE;
  }
}
