// The operator's settings of where usage is exported to, and how far the export is. The hub's job delivers.
import {
  findBillingExport,
  ledgerRowsLeft,
  listRejections,
  newestLedgerPosition,
  putBillingExport,
  removeBillingExport,
  retryRejections,
  type AuditAction,
  type BillingExport,
  type BillingRejection,
} from "@fairlane/db";
import { MEASURES } from "@fairlane/ledger";
import { AppError, BILLING_SECRET_PURPOSE, sealSecret } from "@fairlane/protocol";
import { z } from "zod";
import { audited } from "../auth/audit-entry.ts";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import { OPERATOR } from "../auth/authorize.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import * as limits from "../limits.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { webhookUrl } from "./webhook-url.ts";

const secret = z.string().min(limits.BILLING_SECRET_CHARS_MIN).max(limits.BILLING_SECRET_CHARS_MAX);
const start = z.enum(["now", "beginning"]).optional();
const eventType = z.string().min(1).max(limits.EVENT_NAME_CHARS_MAX).default("fairlane.usage");
const eventName = z.string().min(1).max(limits.EVENT_NAME_CHARS_MAX);

const STRIPE_URL = "https://api.stripe.com/v1/billing/meter_events";

/** Body of PUT. `start` is where a new export begins, "now" if absent; one that is changed goes on where it is. */
export const billingExportBody = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("cloudevents"),
    url: webhookUrl,
    secret: secret.regex(/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/, "expected whsec_ and base64"),
    event_type: eventType,
    start,
  }),
  z.strictObject({
    kind: z.literal("openmeter"),
    url: webhookUrl,
    secret,
    event_type: eventType,
    start,
  }),
  z.strictObject({
    kind: z.literal("stripe"),
    url: webhookUrl.optional().describe("Absent: Stripe's own"),
    secret,
    meters: z.partialRecord(z.enum(MEASURES), eventName).describe("Event names by measure"),
    unmapped: z
      .enum(["reject", "skip"])
      .default("reject")
      .describe("What becomes of entries of tenants without a customer id"),
    start,
  }),
]);

/** PUT /v1/fairlane/admin/billing-export */
export function putBillingExportRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const wanted = await parseAdminBody(context.req.raw, billingExportBody);
    const before = await findBillingExport(deps.controlDb);
    const sealedSecret = await sealSecret({
      pepper: deps.config.keyPepper,
      purpose: BILLING_SECRET_PURPOSE,
      text: wanted.secret,
      random: deps.random,
    });
    const url = wanted.url ?? STRIPE_URL;
    await putBillingExport(deps.controlDb, {
      kind: wanted.kind,
      url,
      sealedSecret,
      eventType: wanted.kind === "stripe" ? "" : wanted.event_type,
      meters: wanted.kind === "stripe" ? wanted.meters : {},
      skipsUnmapped: wanted.kind === "stripe" && wanted.unmapped === "skip",
      // Never the same twice, since it names the settings.
      changedAtMs: Math.max(deps.clock.nowMs(), (before?.changedAtMs ?? 0) + 1),
      cursor: await startCursor(deps, before, wanted.start),
    });
    // The host alone: an address may carry a token.
    const details = { kind: wanted.kind, host: new URL(url).host };
    await auditDeed(context, deps, { action: "billing_export.changed", details });
    return answer(deps);
  };
}

/** GET /v1/fairlane/admin/billing-export */
export function readBillingExportRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    return answer(deps);
  };
}

/** DELETE /v1/fairlane/admin/billing-export */
export function removeBillingExportRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    if (!(await removeBillingExport(deps.controlDb))) throw noExport();
    await auditDeed(context, deps, { action: "billing_export.removed" });
    return Response.json({ object: "fairlane.billing_export", deleted: true });
  };
}

/** POST /v1/fairlane/admin/billing-export/retry: refused entries again, and no pause after a failure. */
export function retryBillingExportRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    if (!(await findBillingExport(deps.controlDb))) throw noExport();
    await retryRejections(deps.controlDb);
    await auditDeed(context, deps, { action: "billing_export.retried" });
    return answer(deps);
  };
}

async function startCursor(
  deps: EdgeDependencies,
  before: BillingExport | undefined,
  start: "now" | "beginning" | undefined,
): Promise<number> {
  if (start === "beginning") return 0;
  if (before && start === undefined) return before.cursor;
  return newestLedgerPosition(deps.ledgers.fallback);
}

async function answer(deps: EdgeDependencies): Promise<Response> {
  const found = await findBillingExport(deps.controlDb);
  if (!found) throw noExport();
  const lagEntries = await ledgerRowsLeft(deps.ledgers.fallback, found.cursor);
  const { count, rows } = await listRejections(deps.controlDb, limits.REJECTIONS_SHOWN_MAX);
  return Response.json({
    object: "fairlane.billing_export",
    kind: found.kind,
    url: found.url,
    ...(found.kind === "stripe" ? { meters: found.meters } : { event_type: found.eventType }),
    changed_at_ms: found.changedAtMs,
    state: stateOf(found, count),
    cursor: found.cursor,
    lag_entries: lagEntries,
    delivered_entries: found.deliveredEntries,
    last_delivered_at_ms: found.lastDeliveredAtMs,
    failure_count: found.failureCount,
    retry_at_ms: found.failureCount > 0 ? found.retryAtMs : null,
    last_error: found.lastError,
    last_error_at_ms: found.lastErrorAtMs,
    rejected_entries: count,
    rejections: rows.map(rejectionBody),
  });
}

function stateOf({ failureCount }: BillingExport, rejections: number) {
  if (failureCount > 0) return "retrying";
  return rejections > 0 ? "delivering_with_rejections" : "delivering";
}

function rejectionBody(row: BillingRejection) {
  return {
    event_id: row.eventId,
    tenant_id: row.tenantId,
    reason: row.reason,
    rejected_at_ms: row.rejectedAtMs,
    is_retried: row.isRetried,
  };
}

async function auditDeed(
  context: EdgeContext,
  deps: EdgeDependencies,
  done: { readonly action: AuditAction; readonly details?: Readonly<Record<string, string>> },
): Promise<void> {
  const caller = { tenantId: null, actor: OPERATOR };
  await audited(context, deps, { caller, target: "billing-export", ...done });
}

function noExport(): AppError {
  return new AppError("not_found", "Usage is exported nowhere.");
}
