// The operator's debits and credits to a tenant, each with a reason: they are on the next draft that is made. This is how a
// wrong or unbillable entry is corrected; the ledger itself stays what was computed and priced.
import { addAdjustment, listAdjustments, type AdjustmentRow } from "@fairlane/db";
import { AppError } from "@fairlane/protocol";
import { z } from "zod";
import { auditEntry } from "../auth/audit-entry.ts";
import { OPERATOR } from "../auth/authorize.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { ADJUSTMENT_NANO_USD_MAX, INVOICE_REASON_CHARS_MAX } from "../limits.ts";
import { operatedTenant } from "./admin-invoices.ts";
import { parseAdminBody } from "./parse-admin-body.ts";

/** The id makes it count once, however often it is sent. */
export const newAdjustment = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,128}$/)
    .describe("Chosen by the operator; a second one with the same id is refused"),
  amount_nano_usd: z
    .int()
    .min(-ADJUSTMENT_NANO_USD_MAX)
    .max(ADJUSTMENT_NANO_USD_MAX)
    .refine((amount) => amount !== 0, "expected an amount other than 0")
    .describe("Above 0: the tenant owes it; below 0: it is owed to the tenant"),
  reason: z.string().trim().min(1).max(INVOICE_REASON_CHARS_MAX).describe("Shown on the invoice"),
  request_id: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,128}$/)
    .nullable()
    .default(null)
    .describe("The request that it corrects"),
});

/** POST .../adjustments */
export function addAdjustmentRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const tenantId = await operatedTenant(context, deps);
    const wanted = await parseAdminBody(context.req.raw, newAdjustment);
    const { id, amount_nano_usd: amountNanoUsd, reason, request_id: requestId } = wanted;
    const createdAtMs = deps.clock.nowMs();
    const adjustment = { tenantId, id, amountNanoUsd, reason, requestId, createdAtMs };
    const audit = auditEntry(context, deps, {
      caller: { tenantId, actor: OPERATOR },
      action: "invoice.adjusted",
      target: id,
      details: { amount_nano_usd: amountNanoUsd },
    });
    const outcome = await addAdjustment(deps.controlDb, adjustment, audit);
    if (outcome === "known") {
      const message = "An adjustment with this id was made before.";
      throw new AppError("already_exists", message, { param: "id" });
    }
    if (outcome === "full") {
      const message = "Too many adjustments of the tenant wait for an invoice.";
      throw new AppError("invoice_too_large", message);
    }
    const body = adjustmentBody({ ...adjustment, invoiceId: null });
    return Response.json(body, { status: 201 });
  };
}

/** GET .../adjustments: the newest ones. */
export function listAdjustmentsRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const tenantId = await operatedTenant(context, deps);
    const rows = await listAdjustments(deps.controlDb, tenantId);
    return Response.json({ object: "list", data: rows.map(adjustmentBody), has_more: false });
  };
}

function adjustmentBody(row: AdjustmentRow) {
  return {
    object: "fairlane.adjustment",
    id: row.id,
    tenant_id: row.tenantId,
    amount_nano_usd: row.amountNanoUsd,
    reason: row.reason,
    request_id: row.requestId,
    invoice_id: row.invoiceId,
    created_at_ms: row.createdAtMs,
  };
}
