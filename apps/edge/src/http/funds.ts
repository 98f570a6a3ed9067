// A tenant's money as its account has it: GET /v1/fairlane/budgets and /v1/fairlane/credits for the tenant itself, the
// same and the gift of credit for the operator. Amounts are integer nano-USD; times milliseconds since 1970 UTC.
import { AppError, type FundsState, type TenantAccountRpc } from "@fairlane/protocol";
import { creditLeft, ledgerLimits } from "@fairlane/ledger";
import { z } from "zod";
import { audited } from "../auth/audit-entry.ts";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import { OPERATOR } from "../auth/authorize.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { existingTenant, livingTenant } from "./admin-tenants.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { tenantCaller } from "./tenant-caller.ts";
import { writeAccount } from "./write-account.ts";

/** Which part of the money an answer shows. */
export type FundsView = "budgets" | "credits";

/** Body of a gift of credit. The id makes it count once, however often it is sent. */
export const newCredit = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,128}$/)
    .describe("Chosen by the operator; a second gift with the same id is refused"),
  amount_nano_usd: z.int().min(1).max(ledgerLimits.NANO_USD_MAX),
  expires_at_ms: z.int().min(1).nullable().default(null),
});

/** GET /v1/fairlane/budgets, GET /v1/fairlane/credits */
export function ownFundsRoute(deps: EdgeDependencies, view: FundsView) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId } = await tenantCaller(context, deps, "usage:read");
    return fundsAnswer(context, deps, { tenantId, view });
  };
}

/** GET /v1/fairlane/admin/tenants/{tenant}/budgets and credits */
export function tenantFundsRoute(deps: EdgeDependencies, view: FundsView) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const { id } = await existingTenant(deps, context.req.param("tenant") ?? "");
    return fundsAnswer(context, deps, { tenantId: id, view });
  };
}

/** POST /v1/fairlane/admin/tenants/{tenant}/credits */
export function giveCreditRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const tenant = await livingTenant(deps, context.req.param("tenant") ?? "");
    const wanted = await parseAdminBody(context.req.raw, newCredit);
    const expiresAtMs = wanted.expires_at_ms;
    if (expiresAtMs !== null && expiresAtMs <= deps.clock.nowMs()) {
      const message = "Invalid 'expires_at_ms': the time has passed already.";
      throw new AppError("invalid_value", message, { param: "expires_at_ms" });
    }
    const credit = { grantId: wanted.id, grantedNanoUsd: wanted.amount_nano_usd, expiresAtMs };
    const write = (account: TenantAccountRpc) => account.grantCredit(credit);
    const outcome = await writeAccount(context, deps, { tenantId: tenant.id, write });
    if (outcome === "known") {
      throw new AppError("already_exists", "Credit with this id was given before.", {
        param: "id",
      });
    }
    if (outcome === "full") {
      throw new AppError("too_many_credits", "The account keeps no more grants of credit.");
    }
    const caller = { tenantId: tenant.id, actor: OPERATOR };
    const details = { amount_nano_usd: credit.grantedNanoUsd, expires_at_ms: expiresAtMs };
    const done = { caller, action: "credit.given", target: wanted.id, details } as const;
    await audited(context, deps, done);
    return fundsAnswer(context, deps, { tenantId: tenant.id, view: "credits", status: 201 });
  };
}

/** GET /v1/fairlane/admin/tenants/{tenant}/webhook: where alerts go, and the secret that they are signed with. */
export function tenantWebhookRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const tenant = await existingTenant(deps, context.req.param("tenant") ?? "");
    const write = (account: TenantAccountRpc) => account.webhookSecret();
    const secret = await writeAccount(context, deps, { tenantId: tenant.id, write });
    const body = { object: "fairlane.webhook", url: tenant.webhookUrl, secret };
    return Response.json(body, { headers: { "cache-control": "no-store" } });
  };
}

async function fundsAnswer(
  context: EdgeContext,
  deps: EdgeDependencies,
  wanted: { readonly tenantId: string; readonly view: FundsView; readonly status?: number },
): Promise<Response> {
  const { tenantId, view, status = 200 } = wanted;
  const write = (account: TenantAccountRpc) => account.funds();
  const funds = await writeAccount(context, deps, { tenantId, write });
  const body = view === "budgets" ? budgetsBody(funds) : creditsBody(funds);
  return Response.json({ ...body, tenant_id: tenantId }, { status });
}

function budgetsBody({ budgets }: FundsState) {
  return {
    object: "fairlane.budgets",
    data: budgets.map((budget) => ({
      scope_id: budget.scopeId,
      window: budget.window,
      mode: budget.mode,
      limit_nano_usd: budget.limitNanoUsd,
      spent_nano_usd: budget.spentNanoUsd,
      held_nano_usd: budget.heldNanoUsd,
      window_start_ms: budget.windowStartMs,
      window_end_ms: budget.windowEndMs,
      alert_percents: budget.alertPercents,
      set_by: budget.setBy ?? "operator",
    })),
  };
}

function creditsBody(funds: FundsState) {
  return {
    object: "fairlane.credits",
    prepaid: funds.prepaid,
    credit_nano_usd: funds.creditNanoUsd,
    held_nano_usd: funds.heldNanoUsd,
    spent_nano_usd: funds.spentNanoUsd,
    owed_nano_usd: funds.owedNanoUsd,
    data: funds.credits.map((credit) => ({
      id: credit.grantId,
      granted_nano_usd: credit.grantedNanoUsd,
      used_nano_usd: credit.usedNanoUsd,
      expired_nano_usd: credit.expiredNanoUsd,
      left_nano_usd: creditLeft(credit),
      granted_at_ms: credit.grantedAtMs,
      expires_at_ms: credit.expiresAtMs,
    })),
  };
}
