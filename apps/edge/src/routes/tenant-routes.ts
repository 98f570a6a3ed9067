// The operator's routes to what a tenant may do and pays.
import type { EdgeDependencies } from "../edge-context.ts";
import { createPricesRoute, currentPricesRoute, newPrices } from "../http/admin-prices.ts";
import { changeTenantRoute, readTenantRoute, tenantChange } from "../http/admin-tenant-settings.ts";
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
