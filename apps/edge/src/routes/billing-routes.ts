// The operator's routes to the export of usage.
import type { EdgeDependencies } from "../edge-context.ts";
import {
  billingCustomerBody,
  putBillingCustomerRoute,
  readBillingCustomerRoute,
} from "../http/billing-customer.ts";
import {
  billingExportBody,
  putBillingExportRoute,
  readBillingExportRoute,
  removeBillingExportRoute,
  retryBillingExportRoute,
} from "../http/billing-export.ts";
import type { Route } from "./route.ts";

const EXPORT = "/v1/fairlane/admin/billing-export";
const CUSTOMER = "/v1/fairlane/admin/tenants/:tenant/billing-customer";
const access = "admin" as const;
const tag = "Operation";

export function billingRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "GET",
      path: EXPORT,
      access,
      docs: { summary: "Where usage is exported to, and how far", tag },
      handler: readBillingExportRoute(deps),
    },
    {
      method: "PUT",
      path: EXPORT,
      access,
      docs: { summary: "Export usage to a billing system", tag, body: billingExportBody },
      handler: putBillingExportRoute(deps),
    },
    {
      method: "DELETE",
      path: EXPORT,
      access,
      docs: { summary: "End the export of usage", tag },
      handler: removeBillingExportRoute(deps),
    },
    {
      method: "POST",
      path: `${EXPORT}/retry`,
      access,
      docs: { summary: "Try refused entries again, and do not wait after a failure", tag },
      handler: retryBillingExportRoute(deps),
    },
    {
      method: "GET",
      path: CUSTOMER,
      access,
      docs: { summary: "What a tenant is called at the billing system", tag },
      handler: readBillingCustomerRoute(deps),
    },
    {
      method: "PUT",
      path: CUSTOMER,
      access,
      docs: { summary: "Name a tenant at the billing system", tag, body: billingCustomerBody },
      handler: putBillingCustomerRoute(deps),
    },
  ];
}
