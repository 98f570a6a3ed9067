// Administration of tenants: create one (with its first project), read its usage. The account is written before
// the register: an account without keys that nobody knows does no harm, a registered tenant without one would.
import { isId, newId } from "@fairlane/base";
import { createTenant, currentPrices, findTenant, type Tenant } from "@fairlane/db";
import { AppError, protocolLimits, type TenantAccountRpc } from "@fairlane/protocol";
import { z } from "zod";
import { auditEntry } from "../auth/audit-entry.ts";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import { OPERATOR } from "../auth/authorize.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import * as limits from "../limits.ts";
import { accountConfig, tenantBody } from "./account-config.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { usageAnswer } from "./usage.ts";
import { writeAccount } from "./write-account.ts";

const tokenLimit = z.int().min(1).max(limits.TOKENS_PER_MINUTE_MAX);

/** Body of a new tenant. */
export const newTenant = z.strictObject({
  name: z.string().min(1).max(protocolLimits.NAME_CHARS_MAX),
  weight: z.int().min(1).max(limits.TENANT_WEIGHT_MAX).default(limits.TENANT_WEIGHT_DEFAULT),
  requests_per_minute: z
    .int()
    .min(1)
    .max(limits.REQUESTS_PER_MINUTE_MAX)
    .default(limits.REQUESTS_PER_MINUTE_DEFAULT),
  tokens_per_minute: tokenLimit.default(limits.TOKENS_PER_MINUTE_DEFAULT),
  prepaid: z.boolean().default(false).describe("It may spend its credit and no more"),
  input_tokens_per_minute: tokenLimit.nullable().default(null),
  output_tokens_per_minute: tokenLimit.nullable().default(null),
  parallel_requests: z
    .int()
    .min(1)
    .max(limits.PARALLEL_REQUESTS_MAX)
    .default(limits.PARALLEL_REQUESTS_DEFAULT),
});

/** POST /v1/fairlane/admin/tenants */
export function createTenantRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const wanted = await parseAdminBody(context.req.raw, newTenant);
    const prices = await currentPrices(deps.controlDb);
    const createdAtMs = deps.clock.nowMs();
    const tenant: Tenant = {
      id: newId("ten", deps.clock, deps.random),
      name: wanted.name,
      status: "active",
      weight: wanted.weight,
      requestsPerMinute: wanted.requests_per_minute,
      tokensPerMinute: wanted.tokens_per_minute,
      inputTokensPerMinute: wanted.input_tokens_per_minute,
      outputTokensPerMinute: wanted.output_tokens_per_minute,
      parallelRequests: wanted.parallel_requests,
      scopeLimits: [],
      prepaid: wanted.prepaid,
      budgets: [],
      webhookUrl: null,
      priceVersionId: prices.version,
      createdAtMs,
    };
    const projectId = newId("prj", deps.clock, deps.random);
    const project = { id: projectId, tenantId: tenant.id, name: "default", createdAtMs };
    const config = accountConfig(tenant, prices);
    const write = (account: TenantAccountRpc) => account.configure(config);
    await writeAccount(context, deps, { tenantId: tenant.id, write });
    const details = { name: tenant.name, weight: tenant.weight };
    const caller = { tenantId: tenant.id, actor: OPERATOR };
    const done = { caller, action: "tenant.created", target: tenant.id, details } as const;
    await createTenant(deps.controlDb, { tenant, project }, auditEntry(context, deps, done));
    const body = { ...tenantBody(tenant), default_project_id: projectId };
    return Response.json(body, { status: 201 });
  };
}

/** GET /v1/fairlane/admin/tenants/{tenant}/usage */
export function tenantUsageRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const tenant = await existingTenant(deps, context.req.param("tenant") ?? "");
    return usageAnswer(context, deps, { tenantId: tenant.id, showsNode: true });
  };
}

/** The tenant of a change; throws a 404, and `tenant_erased` for one that is being erased or was. */
export async function livingTenant(deps: EdgeDependencies, tenantId: string): Promise<Tenant> {
  const tenant = await existingTenant(deps, tenantId);
  if (tenant.status === "active" || tenant.status === "suspended") return tenant;
  const message = "This tenant is being erased, or was: nothing of it can be changed.";
  throw new AppError("tenant_erased", message, { param: "tenant" });
}

/** The tenant of an administrative path, erased or not; throws a 404. */
export async function existingTenant(deps: EdgeDependencies, tenantId: string): Promise<Tenant> {
  const tenant = isId("ten", tenantId) ? await findTenant(deps.controlDb, tenantId) : undefined;
  if (tenant) return tenant;
  throw new AppError("not_found", "No tenant has this id.", { param: "tenant" });
}
