// Reading invoices, by both doors: GET .../invoices and GET .../invoices/{invoice}, as JSON, CSV or a printable page. A tenant
// sees what is final or void; drafts are the operator's.
import { isId } from "@fairlane/base";
import { findInvoice, findTenant, linesOf, listInvoices, type InvoiceRow } from "@fairlane/db";
import { AppError, type Caller } from "@fairlane/protocol";
import { z } from "zod";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { invoicePage } from "./invoice-page.ts";
import { invoiceBody, invoiceCsv, lineBody } from "./invoice-views.ts";
import { pageBody, parsePageQuery } from "./page-query.ts";
import { parseQuery } from "./parse-query.ts";

export const invoiceQuery = z.object({ format: z.enum(["json", "csv", "html"]).optional() });

/** The handlers of both doors. */
export function invoiceHandlers(deps: EdgeDependencies) {
  return {
    list: async (context: EdgeContext, caller: Caller): Promise<Response> => {
      const { limit, after } = parsePageQuery(context);
      const isOperator = caller.actor.kind === "operator";
      const page = { withDrafts: isOperator, beforeId: after, rowsMax: limit + 1 };
      const rows = await listInvoices(deps.controlDb, caller.tenantId, page);
      const bodies = rows.map((row) => invoiceBody(row, isOperator));
      return Response.json(pageBody(bodies, limit));
    },
    read: async (context: EdgeContext, caller: Caller): Promise<Response> => {
      const { format = "json" } = parseQuery(context, invoiceQuery);
      const invoice = await existingInvoice(context, deps, caller.tenantId);
      const isOperator = caller.actor.kind === "operator";
      if (!isOperator && invoice.status === "draft") throw noInvoice();
      const lines = await linesOf(deps.controlDb, invoice.id);
      if (format === "csv") return invoiceCsv(invoice, lines);
      if (format === "html") {
        const tenant = await findTenant(deps.controlDb, invoice.tenantId);
        return invoicePage(invoice, lines, tenant?.name ?? "");
      }
      return Response.json({ ...invoiceBody(invoice, isOperator), lines: lines.map(lineBody) });
    },
  };
}

/** The invoice of the path, if it is the tenant's; throws a 404. */
export async function existingInvoice(
  context: EdgeContext,
  deps: EdgeDependencies,
  tenantId: string,
): Promise<InvoiceRow> {
  const id = context.req.param("invoice") ?? "";
  const invoice = isId("inv", id) ? await findInvoice(deps.controlDb, tenantId, id) : undefined;
  if (!invoice) throw noInvoice();
  return invoice;
}

function noInvoice(): AppError {
  return new AppError("not_found", "No invoice has this id.", { param: "invoice" });
}
