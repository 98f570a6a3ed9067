// The routes of invoices: reading them, for the tenant and the operator; making them, for the operator alone.
import type { EdgeDependencies } from "../edge-context.ts";
import { finalizeRoute, makeDraftRoute, voidRoute } from "../http/admin-invoices.ts";
import { finalizing, newDraft, voiding } from "../http/invoice-bodies.ts";
import {
  addAdjustmentRoute,
  listAdjustmentsRoute,
  newAdjustment,
} from "../http/invoice-adjustments.ts";
import { invoiceHandlers, invoiceQuery } from "../http/invoices.ts";
import { pageQuery } from "../http/page-query.ts";
import { managedRoutes } from "./managed-route.ts";
import type { Route } from "./route.ts";

const TENANT = "/v1/fairlane/admin/tenants/:tenant";
const access = "admin" as const;
const tag = "Operation";
const scope = "invoices:read" as const;

export function invoiceRoutes(deps: EdgeDependencies): readonly Route[] {
  const { list, read } = invoiceHandlers(deps);
  const reading = managedRoutes(deps, "Account", [
    {
      method: "GET",
      path: "/invoices",
      scope,
      docs: { summary: "List invoices, newest first", query: pageQuery },
      handler: list,
    },
    {
      method: "GET",
      path: "/invoices/:invoice",
      scope,
      docs: {
        summary: "An invoice with its lines, as JSON, CSV or a printable page",
        query: invoiceQuery,
      },
      handler: read,
    },
  ]);
  return [...reading, ...invoiceSteps(deps)];
}

function invoiceSteps(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "POST",
      path: `${TENANT}/invoices`,
      access,
      docs: { summary: "Make a month's draft, or make it again", tag, body: newDraft, status: 201 },
      handler: makeDraftRoute(deps),
    },
    {
      method: "POST",
      path: `${TENANT}/invoices/:invoice/finalize`,
      access,
      docs: { summary: "Make a draft final: it gets its number", tag, body: finalizing },
      handler: finalizeRoute(deps),
    },
    {
      method: "POST",
      path: `${TENANT}/invoices/:invoice/void`,
      access,
      docs: {
        summary: "Make a final invoice void, so that it can be replaced",
        tag,
        body: voiding,
      },
      handler: voidRoute(deps),
    },
    {
      method: "POST",
      path: `${TENANT}/adjustments`,
      access,
      docs: { summary: "Debit or credit a tenant by hand", tag, body: newAdjustment, status: 201 },
      handler: addAdjustmentRoute(deps),
    },
    {
      method: "GET",
      path: `${TENANT}/adjustments`,
      access,
      docs: { summary: "The newest adjustments", tag },
      handler: listAdjustmentsRoute(deps),
    },
  ];
}
