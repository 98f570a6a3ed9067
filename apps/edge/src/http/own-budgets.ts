// Budgets that a tenant sets itself, and the webhook that its alerts go to. They stand beside the operator's: each is held
// to, so that none of the operator's can be raised or taken away. A key reaches its own project and the keys in it.
import { findApiKey, findPrices, updateTenant } from "@fairlane/db";
import { ledgerLimits } from "@fairlane/ledger";
import {
  AppError,
  type BudgetRef,
  type Caller,
  type OwnBudgetChange,
  type TenantAccountRpc,
} from "@fairlane/protocol";
import { z } from "zod";
import { audited } from "../auth/audit-entry.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { ALERT_PERCENTS_MAX } from "../limits.ts";
import { accountConfig } from "./account-config.ts";
import { isScopeOf } from "./admin-tenant-settings.ts";
import { livingTenant } from "./admin-tenants.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { tenantCaller } from "./tenant-caller.ts";
import { webhookUrl } from "./webhook-url.ts";
import { writeAccount } from "./write-account.ts";

/** Body of a budget. */
export const ownBudget = z.strictObject({
  limit_nano_usd: z.int().min(0).max(ledgerLimits.NANO_USD_MAX),
  alert_percents: z.array(z.int().min(1).max(100)).max(ALERT_PERCENTS_MAX).default([]),
});

/** Body of the webhook; null: no alerts. */
export const ownWebhook = z.strictObject({ url: webhookUrl.nullable() });

const WINDOWS = z.enum(["day", "week", "month"]);
const MODES = z.enum(["hard", "soft"]);

/** PUT /v1/fairlane/budgets/{scope}/{window}/{mode}: holds for the next admission; may be repeated. */
export function setOwnBudgetRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const caller = await tenantCaller(context, deps, "budgets:manage");
    const wanted = await parseAdminBody(context.req.raw, ownBudget);
    const ref = await budgetOf(context, deps, caller);
    const alertPercents = [...new Set(wanted.alert_percents)];
    const budget = { ...ref, limitNanoUsd: wanted.limit_nano_usd, alertPercents };
    await changeBudget(context, deps, { caller, change: { kind: "put", budget } });
    const details = { ...wanted, window: ref.window, mode: ref.mode };
    const told = { ...details, alert_percents: alertPercents.map(String) };
    const done = { caller, action: "budget.set", target: ref.scopeId, details: told } as const;
    await audited(context, deps, done);
    const body = { object: "fairlane.budget", scope_id: ref.scopeId, set_by: "tenant" };
    return Response.json({ ...body, ...details, alert_percents: alertPercents });
  };
}

/** DELETE /v1/fairlane/budgets/{scope}/{window}/{mode}: one of the tenant's own. */
export function dropOwnBudgetRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const caller = await tenantCaller(context, deps, "budgets:manage");
    const budget = await budgetOf(context, deps, caller);
    await changeBudget(context, deps, { caller, change: { kind: "drop", budget } });
    const { scopeId: target, window, mode } = budget;
    const done = { caller, action: "budget.removed", target, details: { window, mode } } as const;
    await audited(context, deps, done);
    const body = { object: "fairlane.budget", scope_id: target, window, mode, removed: true };
    return Response.json(body);
  };
}

/** PUT /v1/fairlane/webhook: where alerts go; the answer has the secret that they are signed with. */
export function setOwnWebhookRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const caller = await tenantCaller(context, deps, "budgets:manage");
    const { url } = await parseAdminBody(context.req.raw, ownWebhook);
    checkHost(deps, url);
    const tenant = await livingTenant(deps, caller.tenantId);
    const prices = await findPrices(deps.controlDb, tenant.priceVersionId);
    if (!prices) throw new AppError("internal_error", "The tenant's prices are gone.");
    const config = accountConfig({ ...tenant, webhookUrl: url }, prices);
    const { tenantId } = caller;
    const write = async (account: TenantAccountRpc) => {
      await account.configure(config);
      return account.webhookSecret();
    };
    const secret = await writeAccount(context, deps, { tenantId, write });
    await updateTenant(deps.controlDb, tenantId, { webhookUrl: url });
    // The path of such a URL may be a secret of its own.
    const details = { host: url === null ? null : new URL(url).host };
    const done = { caller, action: "webhook.changed", target: tenantId, details } as const;
    await audited(context, deps, done);
    const headers = { "cache-control": "no-store" };
    return Response.json({ object: "fairlane.webhook", url, secret }, { headers });
  };
}

/** The budget that the path names, if its scope is the caller's to manage; throws `not_found`. */
async function budgetOf(
  context: EdgeContext,
  deps: EdgeDependencies,
  caller: Caller,
): Promise<BudgetRef> {
  const scopeId = context.req.param("scope") ?? "";
  const window = WINDOWS.safeParse(context.req.param("window"));
  const mode = MODES.safeParse(context.req.param("mode"));
  const isKnown = window.success && mode.success && (await isManaged(deps, caller, scopeId));
  if (isKnown) return { scopeId, window: window.data, mode: mode.data };
  const message =
    "You have no such tenant, project or API key, or there are no budgets of this window and mode.";
  throw new AppError("not_found", message, { param: "scope" });
}

async function isManaged(
  deps: EdgeDependencies,
  { tenantId, manager }: Caller,
  scopeId: string,
): Promise<boolean> {
  if (manager === null) return scopeId === tenantId || isScopeOf(deps, tenantId, scopeId);
  if (scopeId === manager.projectId) return true;
  const key = await findApiKey(deps.controlDb, tenantId, scopeId);
  return key?.projectId === manager.projectId;
}

async function changeBudget(
  context: EdgeContext,
  deps: EdgeDependencies,
  { caller, change }: { readonly caller: Caller; readonly change: OwnBudgetChange },
): Promise<void> {
  const { tenantId } = caller;
  const write = (account: TenantAccountRpc) => account.changeOwnBudget(change);
  const outcome = await writeAccount(context, deps, { tenantId, write });
  if (outcome === "done") return;
  if (outcome === "too_many") {
    throw new AppError("too_many_budgets", "The tenant has as many budgets of its own as it may.");
  }
  const message = "There is no such budget of the tenant's own; the operator's are the operator's.";
  throw new AppError("not_found", message, { param: "scope" });
}

/** A tenant's webhook is on the public network: no address, no bare name, unless the edge itself is on a laptop. */
function checkHost(deps: EdgeDependencies, url: string | null): void {
  if (url === null || deps.config.clientAddress === "loopback") return;
  const { hostname, protocol } = new URL(url);
  const isPublic = protocol === "https:" && /[a-z]/i.test(hostname.split(".").at(-1) ?? "");
  if (isPublic && hostname.includes(".") && !hostname.startsWith("[")) return;
  throw new AppError("invalid_value", "Invalid 'url': expected https and a public name.", {
    param: "url",
  });
}
