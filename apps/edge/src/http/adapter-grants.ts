// Grants of an adapter to other tenants: PUT and DELETE of /v1/fairlane/adapters/{adapter}/grants/{tenant}. A grant lets a
// tenant use the adapter; taking it back is effective within ADAPTER_CACHE_MS everywhere.
import { isId } from "@fairlane/base";
import { grantAdapter, revokeAdapterGrant } from "@fairlane/db";
import { AppError } from "@fairlane/protocol";
import { auditAdapter } from "../adapters/audit-adapter.ts";
import { ownAdapter } from "../adapters/own-adapter.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { GRANTS_PER_ADAPTER_MAX } from "../limits.ts";
import { tenantCaller } from "./tenant-caller.ts";

/** PUT: may be repeated. */
export function grantAdapterRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { by, adapterId, tenantId } = await wantedGrant(context, deps);
    if (tenantId === by.tenantId) {
      throw new AppError("invalid_value", "The adapter is yours.", { param: "tenant" });
    }
    const grant = { adapterId, tenantId, createdAtMs: deps.clock.nowMs() };
    const granted = await grantAdapter(deps.controlDb, grant, GRANTS_PER_ADAPTER_MAX);
    if (granted === "too_many") {
      const message = `An adapter may be granted to ${GRANTS_PER_ADAPTER_MAX} tenants.`;
      throw new AppError("too_many_adapters", message);
    }
    if (granted === "no_tenant") throw unknownTenant();
    deps.adapterNames.forget(by.tenantId);
    const details = { tenant_id: tenantId };
    await auditAdapter(context, deps, { by, action: "adapter.granted", adapterId, details });
    return Response.json({
      object: "fairlane.adapter_grant",
      adapter_id: adapterId,
      tenant_id: tenantId,
    });
  };
}

/** DELETE */
export function revokeAdapterGrantRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { by, adapterId, tenantId } = await wantedGrant(context, deps);
    if (!(await revokeAdapterGrant(deps.controlDb, { adapterId, tenantId }))) {
      throw new AppError("not_found", "The adapter is not granted to this tenant.", {
        param: "tenant",
      });
    }
    deps.adapterNames.forget(by.tenantId);
    const details = { tenant_id: tenantId };
    await auditAdapter(context, deps, { by, action: "adapter.grant_revoked", adapterId, details });
    const names = { adapter_id: adapterId, tenant_id: tenantId };
    return Response.json({ object: "fairlane.adapter_grant", ...names, deleted: true });
  };
}

async function wantedGrant(context: EdgeContext, deps: EdgeDependencies) {
  const by = await tenantCaller(context, deps, "adapters:manage");
  const { id: adapterId } = await ownAdapter(deps, by.tenantId, context.req.param("adapter") ?? "");
  const tenantId = context.req.param("tenant") ?? "";
  if (!isId("ten", tenantId)) throw unknownTenant();
  return { by, adapterId, tenantId };
}

function unknownTenant(): AppError {
  return new AppError("not_found", "No tenant has this id.", { param: "tenant" });
}
