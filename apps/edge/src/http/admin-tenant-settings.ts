// Administration of what a tenant may do: limits and budgets of the tenant, its projects and its keys,
// weight, prices, suspension.
// The account is written first, where a change holds at once; then the register, from which the next change starts.
import { isId } from "@fairlane/base";
import { findApiKey, findPrices, findProject, updateTenant, type Tenant } from "@fairlane/db";
import { ledgerLimits } from "@fairlane/ledger";
import {
  AppError,
  protocolLimits,
  type AccountPrices,
  type Budget,
  type ScopeLimits,
  type TenantAccountRpc,
} from "@fairlane/protocol";
import { z } from "zod";
import { audited } from "../auth/audit-entry.ts";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import { OPERATOR } from "../auth/authorize.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import * as limits from "../limits.ts";
import { accountConfig, tenantBody } from "./account-config.ts";
import { existingTenant, livingTenant } from "./admin-tenants.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { webhookUrl } from "./webhook-url.ts";
import { writeAccount } from "./write-account.ts";

const requests = z.int().min(1).max(limits.REQUESTS_PER_MINUTE_MAX);
const tokens = z.int().min(1).max(limits.TOKENS_PER_MINUTE_MAX);
const parallel = z.int().min(1).max(limits.PARALLEL_REQUESTS_MAX);
const id = z.string().min(1).max(protocolLimits.NAME_CHARS_MAX);

const scopeLimits = z.strictObject({
  scope_id: id.describe("A project or an API key of the tenant"),
  requests_per_minute: requests.nullable().default(null),
  tokens_per_minute: tokens.nullable().default(null),
  input_tokens_per_minute: tokens.nullable().default(null),
  output_tokens_per_minute: tokens.nullable().default(null),
  parallel_requests: parallel.nullable().default(null),
});

const budget = z.strictObject({
  scope_id: id.describe("The tenant, or a project or an API key of it"),
  window: z.enum(["day", "week", "month"]),
  mode: z.enum(["hard", "soft"]),
  limit_nano_usd: z.int().min(0).max(ledgerLimits.NANO_USD_MAX),
  alert_percents: z.array(z.int().min(1).max(100)).max(limits.ALERT_PERCENTS_MAX).default([]),
});

/** Body of a change: what is absent stays; null takes a limit away. */
export const tenantChange = z.strictObject({
  name: id.optional(),
  suspended: z.boolean().optional(),
  weight: z.int().min(1).max(limits.TENANT_WEIGHT_MAX).optional(),
  requests_per_minute: requests.optional(),
  tokens_per_minute: tokens.optional(),
  input_tokens_per_minute: tokens.nullable().optional(),
  output_tokens_per_minute: tokens.nullable().optional(),
  parallel_requests: parallel.optional(),
  limits: z
    .array(scopeLimits)
    .max(limits.SCOPE_LIMITS_MAX)
    .optional()
    .describe("Replaces the limits of all projects and keys"),
  prepaid: z.boolean().optional(),
  budgets: z
    .array(budget)
    .max(limits.BUDGETS_MAX)
    .optional()
    .describe("Replaces all budgets; at most one of a scope, window and mode"),
  webhook_url: webhookUrl.nullable().optional(),
  price_version: id.optional(),
});

type TenantChange = z.infer<typeof tenantChange>;

/** GET /v1/fairlane/admin/tenants/{tenant} */
export function readTenantRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const tenant = await existingTenant(deps, context.req.param("tenant") ?? "");
    return Response.json(tenantBody(tenant));
  };
}

/** PATCH /v1/fairlane/admin/tenants/{tenant}: holds for the next admission; may be repeated. */
export function changeTenantRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const tenant = await livingTenant(deps, context.req.param("tenant") ?? "");
    const wanted = await parseAdminBody(context.req.raw, tenantChange);
    const change = await changeOf(deps, tenant, wanted);
    const changed: Tenant = { ...tenant, ...change };
    const prices = await pricesOf(deps, changed.priceVersionId);
    const config = accountConfig(changed, prices);
    const write = (account: TenantAccountRpc) => account.configure(config);
    await writeAccount(context, deps, { tenantId: tenant.id, write });
    if (Object.keys(change).length > 0) await updateTenant(deps.controlDb, tenant.id, change);
    const caller = { tenantId: tenant.id, actor: OPERATOR };
    // Values as JSON: a list of limits is no short value.
    const details = Object.fromEntries(
      Object.entries(change).map(([name, value]) => [name, JSON.stringify(value)]),
    );
    const done = { caller, action: "tenant.changed", target: tenant.id, details } as const;
    await audited(context, deps, done);
    return Response.json(tenantBody(changed));
  };
}

/** The fields that change, in the register's names; throws for a scope that is not the tenant's. */
async function changeOf(deps: EdgeDependencies, tenant: Tenant, wanted: TenantChange) {
  const status = wanted.suspended ? ("suspended" as const) : ("active" as const);
  const scopes =
    wanted.limits === undefined ? undefined : await checkedScopes(deps, tenant.id, wanted.limits);
  const fields = {
    name: wanted.name,
    status: wanted.suspended === undefined ? undefined : status,
    weight: wanted.weight,
    requestsPerMinute: wanted.requests_per_minute,
    tokensPerMinute: wanted.tokens_per_minute,
    inputTokensPerMinute: wanted.input_tokens_per_minute,
    outputTokensPerMinute: wanted.output_tokens_per_minute,
    parallelRequests: wanted.parallel_requests,
    scopeLimits: scopes,
    prepaid: wanted.prepaid,
    budgets: wanted.budgets && (await checkedBudgets(deps, tenant.id, wanted.budgets)),
    webhookUrl: wanted.webhook_url,
    priceVersionId: wanted.price_version,
  };
  return withoutAbsent(fields);
}

type Present<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> };

function withoutAbsent<T extends object>(fields: T): Present<T> {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined);
  // Of the same names, so of the same types.
  return Object.fromEntries(present) as Present<T>;
}

async function checkedScopes(
  deps: EdgeDependencies,
  tenantId: string,
  wanted: NonNullable<TenantChange["limits"]>,
): Promise<readonly ScopeLimits[]> {
  const ids = wanted.map((scope) => scope.scope_id);
  checkOnce("limits", ids);
  await checkScopes(deps, tenantId, { field: "limits", ids });
  return wanted.map((scope) => ({
    scopeId: scope.scope_id,
    requestsPerMinute: scope.requests_per_minute,
    tokensPerMinute: scope.tokens_per_minute,
    inputTokensPerMinute: scope.input_tokens_per_minute,
    outputTokensPerMinute: scope.output_tokens_per_minute,
    parallelRequests: scope.parallel_requests,
  }));
}

async function checkedBudgets(
  deps: EdgeDependencies,
  tenantId: string,
  wanted: NonNullable<TenantChange["budgets"]>,
): Promise<readonly Budget[]> {
  const kinds = wanted.map((one) => `${one.scope_id} ${one.window} ${one.mode}`);
  checkOnce("budgets", kinds);
  const ids = wanted.map((one) => one.scope_id);
  await checkScopes(deps, tenantId, { field: "budgets", ids });
  return wanted.map((one) => ({
    scopeId: one.scope_id,
    window: one.window,
    mode: one.mode,
    limitNanoUsd: one.limit_nano_usd,
    alertPercents: [...new Set(one.alert_percents)],
  }));
}

function checkOnce(field: string, names: readonly string[]): void {
  const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
  if (twice === -1) return;
  const param = `${field}[${twice}]`;
  throw new AppError("invalid_value", `Invalid '${param}': it is named twice.`, { param });
}

/** Throws for what is neither the tenant itself nor a project or a key of it. */
async function checkScopes(
  deps: EdgeDependencies,
  tenantId: string,
  named: { readonly field: string; readonly ids: readonly string[] },
): Promise<void> {
  for (const [index, scopeId] of named.ids.entries()) {
    const isTenant = named.field === "budgets" && scopeId === tenantId;
    if (isTenant || (await isScopeOf(deps, tenantId, scopeId))) continue;
    const message = "This tenant has no such project or API key.";
    const param = `${named.field}[${index}].scope_id`;
    throw new AppError("not_found", message, { param });
  }
}

/** True for a project or a key of the tenant. */
export async function isScopeOf(
  deps: EdgeDependencies,
  tenantId: string,
  scopeId: string,
): Promise<boolean> {
  if (isId("prj", scopeId)) {
    return (await findProject(deps.controlDb, tenantId, scopeId)) !== undefined;
  }
  return (
    isId("key", scopeId) && (await findApiKey(deps.controlDb, tenantId, scopeId)) !== undefined
  );
}

async function pricesOf(deps: EdgeDependencies, versionId: string): Promise<AccountPrices> {
  const prices = await findPrices(deps.controlDb, versionId);
  if (prices) return prices;
  throw new AppError("not_found", "There is no such price version.", { param: "price_version" });
}
