// The operator's routes to what a tenant may do and pays.
import type { EdgeDependencies } from "../edge-context.ts";
import { createPricesRoute, currentPricesRoute, newPrices } from "../http/admin-prices.ts";
import { changeTenantRoute, readTenantRoute, tenantChange } from "../http/admin-tenant-settings.ts";
import { giveCreditRoute, newCredit, tenantFundsRoute, tenantWebhookRoute } from "../http/funds.ts";
import { eraseTenantRoute, erasureConfirmed, readErasureRoute } from "../http/erasure.ts";
import { tenantExportRoute } from "../http/tenant-export.ts";
import type { Route } from "./route.ts";

const TENANT = "/v1/fairlane/admin/tenants/:tenant";
const PRICES = "/v1/fairlane/admin/prices";
const access = "admin" as const;
const tag = "Operation";

export function tenantRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "GET",
      path: TENANT,
      access,
      docs: { summary: "A tenant, its limits and prices", tag },
      handler: readTenantRoute(deps),
    },
    {
      method: "PATCH",
      path: TENANT,
      access,
      docs: {
        summary: "Change a tenant's limits, weight, prices or suspend it",
        tag,
        body: tenantChange,
      },
      handler: changeTenantRoute(deps),
    },
    ...endRoutes(deps),
    ...moneyRoutes(deps),
  ];
}

function endRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "DELETE",
      path: TENANT,
      access,
      docs: {
        summary: "Erase a tenant; amounts are kept",
        tag,
        body: erasureConfirmed,
        status: 202,
      },
      handler: eraseTenantRoute(deps),
    },
    {
      method: "GET",
      path: `${TENANT}/erasure`,
      access,
      docs: { summary: "How far a tenant's erasure is", tag },
      handler: readErasureRoute(deps),
    },
    {
      method: "GET",
      path: `${TENANT}/export`,
      access,
      docs: {
        summary: "All that is kept of a tenant",
        tag,
        contentType: "application/x-ndjson",
      },
      handler: tenantExportRoute(deps),
    },
  ];
}

function moneyRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "GET",
      path: `${TENANT}/budgets`,
      access,
      docs: { summary: "A tenant's budgets as they stand", tag },
      handler: tenantFundsRoute(deps, "budgets"),
    },
    {
      method: "GET",
      path: `${TENANT}/credits`,
      access,
      docs: { summary: "A tenant's credit and what it owes", tag },
      handler: tenantFundsRoute(deps, "credits"),
    },
    {
      method: "POST",
      path: `${TENANT}/credits`,
      access,
      docs: { summary: "Give a tenant credit", tag, body: newCredit, status: 201 },
      handler: giveCreditRoute(deps),
    },
    {
      method: "GET",
      path: `${TENANT}/webhook`,
      access,
      docs: { summary: "Where a tenant's alerts go, and their secret", tag },
      handler: tenantWebhookRoute(deps),
    },
    {
      method: "POST",
      path: PRICES,
      access,
      docs: { summary: "Make a price version", tag, body: newPrices, status: 201 },
      handler: createPricesRoute(deps),
    },
    {
      method: "GET",
      path: PRICES,
      access,
      docs: { summary: "The newest price version", tag },
      handler: currentPricesRoute(deps),
    },
  ];
}
