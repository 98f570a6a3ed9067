// The routes with which a tenant, and the operator for it, sees what its requests cost, and the operator whether the
// sums agree.
import type { EdgeDependencies } from "../edge-context.ts";
import { costsHandler, costsQuery } from "../http/costs.ts";
import { reconciliationRoute } from "../http/reconciliation.ts";
import { managedRoutes } from "./managed-route.ts";
import type { Route } from "./route.ts";

export function costRoutes(deps: EdgeDependencies): readonly Route[] {
  const costs = managedRoutes(deps, "Account", [
    {
      method: "GET",
      path: "/costs",
      scope: "usage:read",
      docs: { summary: "Costs by hour or day, project, key or model", query: costsQuery },
      handler: costsHandler(deps),
    },
  ]);
  return [
    ...costs,
    {
      method: "GET",
      path: "/v1/fairlane/admin/tenants/:tenant/reconciliation",
      access: "admin",
      docs: {
        summary: "What the account has settled against what the ledger has",
        tag: "Operation",
      },
      handler: reconciliationRoute(deps),
    },
  ];
}
