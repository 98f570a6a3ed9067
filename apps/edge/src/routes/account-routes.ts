// The routes with which a tenant sees its own account.
import type { EdgeDependencies } from "../edge-context.ts";
import { fairShareQuery, ownFairShareRoute } from "../http/fair-share.ts";
import { ownUsageRoute, usageQuery } from "../http/usage.ts";
import { ownFundsRoute } from "../http/funds.ts";
import {
  dropOwnBudgetRoute,
  ownBudget,
  ownWebhook,
  setOwnBudgetRoute,
  setOwnWebhookRoute,
} from "../http/own-budgets.ts";
import { ownExportRoute } from "../http/tenant-export.ts";
import type { Route } from "./route.ts";

const NDJSON = "application/x-ndjson";
const BUDGET = "/v1/fairlane/budgets/:scope/:window/:mode";
const manage = { scope: "budgets:manage" } as const;
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
    {
      method: "GET",
      path: "/v1/fairlane/export",
      access: { scope: "tenant:export" },
      docs: { summary: "All that is kept of the tenant", tag: "Account", contentType: NDJSON },
      handler: ownExportRoute(deps),
    },
    ...budgetRoutes(deps),
  ];
}

function budgetRoutes(deps: EdgeDependencies): readonly Route[] {
  const tag = "Account";
  return [
    {
      method: "PUT",
      path: BUDGET,
      access: manage,
      docs: { summary: "Set a budget beside the operator's", tag, body: ownBudget },
      handler: setOwnBudgetRoute(deps),
    },
    {
      method: "DELETE",
      path: BUDGET,
      access: manage,
      docs: { summary: "Take a budget of one's own away", tag },
      handler: dropOwnBudgetRoute(deps),
    },
    {
      method: "PUT",
      path: "/v1/fairlane/webhook",
      access: manage,
      docs: { summary: "Say where alerts go", tag, body: ownWebhook },
      handler: setOwnWebhookRoute(deps),
    },
  ];
}
