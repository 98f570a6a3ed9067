// The operator's routes.
import type { EdgeDependencies } from "../edge-context.ts";
import { createTenantRoute, newTenant, tenantUsageRoute } from "../http/admin-tenants.ts";
import { adminFairShareRoute } from "../http/fair-share.ts";
import { jobsRoute, runJobRoute } from "../http/jobs.ts";
import { pageQuery } from "../http/page-query.ts";
import { reconciliationsRoute } from "../http/reconciliation.ts";
import { usageQuery } from "../http/usage.ts";
import type { Route } from "./route.ts";

const TENANTS = "/v1/fairlane/admin/tenants";
const access = "admin" as const;
const tag = "Operation";

export function adminRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/v1/fairlane/admin/fair-share",
      access,
      docs: { summary: "Where all tenants stand in the region", tag },
      handler: adminFairShareRoute(deps),
    },
    {
      method: "GET",
      path: "/v1/fairlane/admin/reconciliation",
      access,
      docs: {
        summary: "Tenants whose account or journals differ from the ledger, the worst first",
        tag,
        query: pageQuery,
      },
      handler: reconciliationsRoute(deps),
    },
    {
      method: "GET",
      path: "/v1/fairlane/admin/jobs",
      access,
      docs: { summary: "Scheduled jobs and how each ended last", tag },
      handler: jobsRoute(deps),
    },
    {
      method: "POST",
      path: "/v1/fairlane/admin/jobs/:job/run",
      access,
      docs: { summary: "Run a scheduled job now", tag },
      handler: runJobRoute(deps),
    },
    {
      method: "POST",
      path: TENANTS,
      access,
      docs: { summary: "Create a tenant and its first project", tag, body: newTenant, status: 201 },
      handler: createTenantRoute(deps),
    },
    {
      method: "GET",
      path: `${TENANTS}/:tenant/usage`,
      access,
      docs: { summary: "What a tenant is billed for", tag, query: usageQuery },
      handler: tenantUsageRoute(deps),
    },
  ];
}
