// The routes with which a tenant, and the operator for it, sees what its requests cost.
import type { EdgeDependencies } from "../edge-context.ts";
import { costsHandler, costsQuery } from "../http/costs.ts";
import { managedRoutes } from "./managed-route.ts";
import type { Route } from "./route.ts";

export function costRoutes(deps: EdgeDependencies): readonly Route[] {
  return managedRoutes(deps, "Account", [
    {
      method: "GET",
      path: "/costs",
      scope: "usage:read",
      docs: { summary: "Costs by hour or day, project, key or model", query: costsQuery },
      handler: costsHandler(deps),
    },
  ]);
}
