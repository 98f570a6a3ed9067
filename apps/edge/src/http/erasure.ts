// Erasure of a tenant by the operator: DELETE enters it and ends all of the tenant's work at once, the hub's job does the
// rest; GET says how far it is. Amounts stay in ledger and invoices, under the tenant's id and nothing else.
import { createErasure, findErasure, findPrices, type Erasure } from "@fairlane/db";
import { AppError, protocolLimits, type TenantAccountRpc } from "@fairlane/protocol";
import { z } from "zod";
import { auditEntry } from "../auth/audit-entry.ts";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import { OPERATOR } from "../auth/authorize.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { accountConfig } from "./account-config.ts";
import { existingTenant } from "./admin-tenants.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { writeAccount } from "./write-account.ts";

/** Body of an erasure. */
export const erasureConfirmed = z.strictObject({
  confirm: z
    .string()
    .max(protocolLimits.NAME_CHARS_MAX)
    .describe("The tenant's id once more: what is erased does not come back"),
});

/** DELETE /v1/fairlane/admin/tenants/{tenant}: may be repeated. */
export function eraseTenantRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const tenant = await existingTenant(deps, context.req.param("tenant") ?? "");
    const { confirm } = await parseAdminBody(context.req.raw, erasureConfirmed);
    if (confirm !== tenant.id) {
      const message = "Invalid 'confirm': expected the id of the tenant in the path.";
      throw new AppError("invalid_value", message, { param: "confirm" });
    }
    const known = await findErasure(deps.controlDb, tenant.id);
    if (known) return erasureAnswer(known);
    // As a suspension: in force before it is entered, and harmless if it is not.
    const prices = await findPrices(deps.controlDb, tenant.priceVersionId);
    if (!prices) throw new AppError("internal_error", "The tenant's prices are gone.");
    const config = { ...accountConfig(tenant, prices), active: false, webhookUrl: null };
    const write = (account: TenantAccountRpc) => account.configure(config);
    await writeAccount(context, deps, { tenantId: tenant.id, write });
    const caller = { tenantId: tenant.id, actor: OPERATOR };
    const done = { caller, action: "tenant.erasure_begun", target: tenant.id } as const;
    const erasure = { tenantId: tenant.id, requestedAtMs: deps.clock.nowMs() };
    await createErasure(deps.controlDb, erasure, auditEntry(context, deps, done));
    return erasureAnswer({ ...erasure, phase: "account", counts: {}, erasedAtMs: null });
  };
}

/** GET /v1/fairlane/admin/tenants/{tenant}/erasure */
export function readErasureRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const { id } = await existingTenant(deps, context.req.param("tenant") ?? "");
    const erasure = await findErasure(deps.controlDb, id);
    if (erasure) return erasureAnswer(erasure);
    throw new AppError("not_found", "No erasure of this tenant was asked for.");
  };
}

function erasureAnswer(erasure: Erasure): Response {
  const isErased = erasure.phase === "done";
  const body = {
    object: "fairlane.erasure",
    tenant_id: erasure.tenantId,
    status: isErased ? "erased" : "erasing",
    phase: erasure.phase,
    counts: erasure.counts,
    requested_at_ms: erasure.requestedAtMs,
    erased_at_ms: erasure.erasedAtMs,
  };
  return Response.json(body, { status: isErased ? 200 : 202 });
}
