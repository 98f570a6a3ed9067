// The routes with which a tenant sees its own account.
import type { EdgeDependencies } from "../edge-context.ts";
import { fairShareQuery, ownFairShareRoute } from "../http/fair-share.ts";
import { ownUsageRoute, usageQuery } from "../http/usage.ts";
import { ownFundsRoute } from "../http/funds.ts";
import type { Route } from "./route.ts";

const access = { scope: "usage:read" } as const;

export function accountRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/v1/fairlane/usage",
      access,
      docs: { summary: "What the tenant is billed for", tag: "Account", query: usageQuery },
      handler: ownUsageRoute(deps),
    },
    {
      method: "GET",
      path: "/v1/fairlane/fair-share",
      access,
      docs: {
        summary: "Where the tenant stands among those that share the region",
        tag: "Account",
        query: fairShareQuery,
      },
      handler: ownFairShareRoute(deps),
    },
    {
      method: "GET",
      path: "/v1/fairlane/budgets",
      access,
      docs: { summary: "The tenant's budgets as they stand", tag: "Account" },
      handler: ownFundsRoute(deps, "budgets"),
    },
    {
      method: "GET",
      path: "/v1/fairlane/credits",
      access,
      docs: { summary: "The tenant's credit and what it owes", tag: "Account" },
      handler: ownFundsRoute(deps, "credits"),
    },
  ];
}
