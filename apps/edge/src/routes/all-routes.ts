// The list of everything that the edge serves.
import type { EdgeDependencies } from "../edge-context.ts";
import { accountRoutes } from "./account-routes.ts";
import { batchRoutes } from "./batch-routes.ts";
import { billingRoutes } from "./billing-routes.ts";
import { fileRoutes } from "./file-routes.ts";
import { adapterRoutes } from "./adapter-routes.ts";
import { adminRoutes } from "./admin-routes.ts";
import { costRoutes } from "./cost-routes.ts";
import { invoiceRoutes } from "./invoice-routes.ts";
import { inferenceRoutes } from "./inference-routes.ts";
import { auditRoutes, keyRoutes } from "./key-routes.ts";
import { docsRoute } from "./docs-page.ts";
import { openApiRoute } from "./openapi.ts";
import { peopleRoutes } from "./people-routes.ts";
import type { Route } from "./route.ts";
import { publicRoutes } from "./public-routes.ts";
import { tenantRoutes } from "./tenant-routes.ts";

/** Every route, the one of the document that lists them included. */
export function allRoutes(deps: EdgeDependencies): readonly Route[] {
  const all: readonly Route[] = [
    ...publicRoutes(deps),
    ...inferenceRoutes(deps),
    ...accountRoutes(deps),
    ...adapterRoutes(deps),
    ...fileRoutes(deps),
    ...batchRoutes(deps),
    ...adminRoutes(deps),
    ...billingRoutes(deps),
    ...tenantRoutes(deps),
    ...costRoutes(deps),
    ...invoiceRoutes(deps),
    ...keyRoutes(deps),
    ...auditRoutes(deps),
    ...peopleRoutes(deps),
    openApiRoute(() => all),
    docsRoute(() => all),
  ];
  return all;
}
