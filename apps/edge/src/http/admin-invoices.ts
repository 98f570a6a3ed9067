// The operator's steps with a tenant's invoices: make a month's draft, make it final, make it void. What a step changes is one
// batch of the control database; what it has to wait for is asked before.
import { newId } from "@fairlane/base";
import {
  cutOf,
  finalizeInvoice,
  hasLateEntries,
  ledgerOf,
  makeDraft,
  voidInvoice,
  type AuditAction,
  type AuditDetails,
  type InvoiceRow,
} from "@fairlane/db";
import { ledgerLimits, windowAt } from "@fairlane/ledger";
import { AppError, type ErrorCode, type TenantAccountRpc } from "@fairlane/protocol";
import { audited } from "../auth/audit-entry.ts";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import { OPERATOR } from "../auth/authorize.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { existingTenant } from "./admin-tenants.ts";
import { finalizing, newDraft, voiding } from "./invoice-bodies.ts";
import { invoiceBody, monthName } from "./invoice-views.ts";
import { existingInvoice } from "./invoices.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { writeAccount } from "./write-account.ts";

type Step = (context: EdgeContext) => Promise<Response>;

/** POST .../invoices: makes a month's draft, or makes it again. */
export function makeDraftRoute(deps: EdgeDependencies): Step {
  return async (context) => {
    const tenantId = await operatedTenant(context, deps);
    const { period: wanted } = await parseAdminBody(context.req.raw, newDraft);
    const period = windowAt("month", Date.parse(`${wanted}-01T00:00:00Z`));
    const nowMs = deps.clock.nowMs();
    if (period.startMs > nowMs) {
      const message = "Invalid 'period': the month has not begun.";
      throw new AppError("invalid_value", message, { param: "period" });
    }
    const dbs = { control: deps.controlDb, ledger: ledgerOf(deps.ledgers, tenantId) };
    const id = newId("inv", deps.clock, deps.random);
    const outcome = await makeDraft(dbs, { tenantId, period, newId: id, nowMs });
    if (outcome.kind === "frozen") {
      throw conflict("invoice_state_conflict", `The entries of ${wanted} are on a final invoice.`);
    }
    if (outcome.kind === "too_large") {
      const message = `The invoice of ${wanted} would have too many lines or too large an amount.`;
      throw conflict("invoice_too_large", message);
    }
    const { invoice } = outcome;
    await told(context, deps, { invoice, action: "invoice.drafted" });
    return Response.json(invoiceBody(invoice, true), { status: 201 });
  };
}

/** POST .../invoices/{invoice}/finalize: the same again answers the same. */
export function finalizeRoute(deps: EdgeDependencies): Step {
  return async (context) => {
    const tenantId = await operatedTenant(context, deps);
    const draft = await existingInvoice(context, deps, tenantId);
    const { despite_waiting: despite } = await parseAdminBody(context.req.raw, finalizing);
    if (draft.status === "void") throw conflict("invoice_state_conflict", "The invoice is void.");
    if (draft.status === "final") return Response.json(invoiceBody(draft, true));
    // A replacement has the entries that the void invoice had: nothing of it can be on its way.
    if (draft.replacesId === null) await waitFor(context, deps, { draft, isForced: !!despite });
    const { invoice, isDone } = await finalizeInvoice(deps.controlDb, draft, deps.clock.nowMs());
    if (invoice?.status !== "final") throw stale();
    if (isDone) {
      const details = despite === undefined ? {} : { despite_waiting: despite };
      await told(context, deps, { invoice, action: "invoice.finalized", details });
    }
    return Response.json(invoiceBody(invoice, true));
  };
}

/** POST .../invoices/{invoice}/void: its entries are for the draft that replaces it. */
export function voidRoute(deps: EdgeDependencies): Step {
  return async (context) => {
    const tenantId = await operatedTenant(context, deps);
    const final = await existingInvoice(context, deps, tenantId);
    const { reason: why } = await parseAdminBody(context.req.raw, voiding);
    if (final.status === "draft") {
      throw conflict("invoice_state_conflict", "A draft is made again, not made void.");
    }
    const change = { reason: why, nowMs: deps.clock.nowMs() };
    const { invoice, isDone } = await voidInvoice(deps.controlDb, final, change);
    if (invoice?.status !== "void") {
      const message = "The invoice's entries are archived: correct it by an adjustment.";
      throw conflict("invoice_state_conflict", message);
    }
    if (isDone) await told(context, deps, { invoice, action: "invoice.voided" });
    return Response.json(invoiceBody(invoice, true));
  };
}

/** The tenant of an operator's path; throws a 401 or 404. */
export async function operatedTenant(
  context: EdgeContext,
  deps: EdgeDependencies,
): Promise<string> {
  await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
  return (await existingTenant(deps, context.req.param("tenant") ?? "")).id;
}

/** Throws while the month is not over, or usage of it waits anywhere, or came after the draft was made. */
async function waitFor(
  context: EdgeContext,
  deps: EdgeDependencies,
  { draft, isForced }: { readonly draft: InvoiceRow; readonly isForced: boolean },
): Promise<void> {
  const { tenantId, toEndedMs } = draft;
  const fromMs = toEndedMs + ledgerLimits.INVOICE_CLOSE_DELAY_MS;
  if (deps.clock.nowMs() < fromMs) {
    const from = new Date(fromMs).toISOString();
    throw conflict("invoice_period_open", `The month can be final from ${from} on.`);
  }
  if (!isForced) {
    const write = (account: TenantAccountRpc) => account.books(toEndedMs);
    const { unsettledBefore = 0 } = await writeAccount(context, deps, { tenantId, write });
    if (unsettledBefore > 0) {
      const message = `${unsettledBefore} entries of the month are on their way to the ledger.`;
      throw conflict("invoice_period_open", message);
    }
  }
  // After the account was asked: what has left its outbox is in the ledger.
  if (await hasLateEntries(ledgerOf(deps.ledgers, tenantId), tenantId, cutOf(draft))) throw stale();
}

function stale(): AppError {
  const message = "Entries came or another invoice was made since this draft was: make it again.";
  return conflict("invoice_stale", message);
}

function conflict(code: ErrorCode, message: string): AppError {
  return new AppError(code, message);
}

async function told(
  context: EdgeContext,
  deps: EdgeDependencies,
  deed: {
    readonly invoice: InvoiceRow;
    readonly action: AuditAction;
    readonly details?: AuditDetails;
  },
): Promise<void> {
  const { invoice, action, details = {} } = deed;
  const { id, tenantId, number, totalCents, periodStartMs } = invoice;
  await audited(context, deps, {
    caller: { tenantId, actor: OPERATOR },
    action,
    target: id,
    details: { ...details, number, total_cents: totalCents, period: monthName(periodStartMs) },
  });
}
