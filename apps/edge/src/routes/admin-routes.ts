// The operator's routes.
import type { EdgeDependencies } from "../edge-context.ts";
import {
  changeApiKeyRoute,
  changedKey,
  createApiKeyRoute,
  newKey,
  revokeApiKeyRoute,
} from "../http/admin-keys.ts";
import { createTenantRoute, newTenant, tenantUsageRoute } from "../http/admin-tenants.ts";
import { adminFairShareRoute } from "../http/fair-share.ts";
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
    {
      method: "POST",
      path: `${TENANTS}/:tenant/keys`,
      access,
      docs: { summary: "Make an API key; its text is shown once", tag, body: newKey, status: 201 },
      handler: createApiKeyRoute(deps),
    },
    {
      method: "PATCH",
      path: `${TENANTS}/:tenant/keys/:key`,
      access,
      docs: { summary: "Change what an API key may do", tag, body: changedKey },
      handler: changeApiKeyRoute(deps),
    },
    {
      method: "DELETE",
      path: `${TENANTS}/:tenant/keys/:key`,
      access,
      docs: { summary: "Revoke an API key at once", tag },
      handler: revokeApiKeyRoute(deps),
    },
  ];
}
