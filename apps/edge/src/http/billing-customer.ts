// What a tenant is called at the billing system that usage is exported to.
import { customersOf, putCustomer } from "@fairlane/db";
import { z } from "zod";
import { audited } from "../auth/audit-entry.ts";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import { OPERATOR } from "../auth/authorize.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { CUSTOMER_ID_CHARS_MAX } from "../limits.ts";
import { existingTenant } from "./admin-tenants.ts";
import { parseAdminBody } from "./parse-admin-body.ts";

/** Body of PUT; null takes the name away. */
export const billingCustomerBody = z.strictObject({
  customer_id: z.string().min(1).max(CUSTOMER_ID_CHARS_MAX).nullable(),
});

/** GET /v1/fairlane/admin/tenants/{tenant}/billing-customer */
export function readBillingCustomerRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const { id: tenantId } = await existingTenant(deps, context.req.param("tenant") ?? "");
    const customer = (await customersOf(deps.controlDb, [tenantId])).get(tenantId) ?? null;
    return Response.json(customerBody(tenantId, customer));
  };
}

/** PUT of the same: holds for what is exported from now on. */
export function putBillingCustomerRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const { id: tenantId } = await existingTenant(deps, context.req.param("tenant") ?? "");
    const { customer_id: customerId } = await parseAdminBody(context.req.raw, billingCustomerBody);
    await putCustomer(deps.controlDb, tenantId, customerId);
    const caller = { tenantId, actor: OPERATOR };
    const details = { customer_id: customerId };
    await audited(context, deps, {
      caller,
      action: "billing_customer.changed",
      target: tenantId,
      details,
    });
    return Response.json(customerBody(tenantId, customerId));
  };
}

function customerBody(tenantId: string, customerId: string | null) {
  return { object: "fairlane.billing_customer", tenant_id: tenantId, customer_id: customerId };
}
