// GET /v1/fairlane/usage: what the caller's own tenant is billed for, from the ledger: sums over all entries and
// the newest ones; and, apart from it, the service that fairness counted. `?request_id=` lists the entries of one request. The administration's view is the same plus
// the node.
import {
  fairTotals,
  ledgerOf,
  newestLedgerEntries,
  usageTotals,
  type LedgerRow,
} from "@fairlane/db";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { LEDGER_ENTRIES_MAX } from "../limits.ts";
import { z } from "zod";
import { serviceBody } from "./fair-share.ts";
import { tenantCaller } from "./tenant-caller.ts";

/** Query of both views. */
export const usageQuery = z.object({
  request_id: z.string().optional().describe("Only the entries of this request"),
});

export function ownUsageRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId } = await tenantCaller(context, deps, "usage:read");
    return usageAnswer(context, deps, { tenantId, showsNode: false });
  };
}

/** The usage of a tenant that the caller is allowed to see. */
export async function usageAnswer(
  context: EdgeContext,
  deps: EdgeDependencies,
  view: { readonly tenantId: string; readonly showsNode: boolean },
): Promise<Response> {
  const { tenantId, showsNode } = view;
  const ledger = ledgerOf(deps.ledgers, tenantId);
  const requestId = context.req.query("request_id");
  const entriesMax = LEDGER_ENTRIES_MAX;
  const [totals, [service], rows] = await Promise.all([
    usageTotals(ledger, tenantId),
    fairTotals(deps.ledgers.fallback, [tenantId]),
    newestLedgerEntries(ledger, tenantId, {
      entriesMax,
      ...(requestId === undefined ? {} : { requestId }),
    }),
  ]);
  return Response.json({
    object: "fairlane.usage",
    tenant_id: tenantId,
    totals: {
      entries: totals.entries,
      prompt_tokens: totals.promptTokens,
      cached_tokens: totals.cachedTokens,
      output_tokens: totals.outputTokens,
      cost_nano_usd: totals.costNanoUsd,
    },
    service: serviceBody(service),
    entries: rows.map((row) =>
      showsNode ? { ...entryBody(row), ...nodeBody(row) } : entryBody(row),
    ),
  });
}

function entryBody(row: LedgerRow) {
  return {
    request_id: row.requestId,
    attempt: row.attempt,
    entry_seq: row.entrySeq,
    project_id: row.projectId,
    key_id: row.keyId,
    model: row.model,
    price_version: row.priceVersion,
    finish_reason: row.finishReason,
    prompt_tokens: row.promptTokens,
    computed_prompt_tokens: row.computedPromptTokens,
    computed_cached_tokens: row.computedCachedTokens,
    computed_output_tokens: row.computedOutputTokens,
    billed_prompt_tokens: row.billedPromptTokens,
    billed_cached_tokens: row.billedCachedTokens,
    billed_output_tokens: row.billedOutputTokens,
    billed_nano_usd: row.billedNanoUsd,
    received_at_ms: row.receivedAtMs,
    queue_ms: row.queueMs,
    ttft_ms: row.ttftMs,
    ended_at_ms: row.endedAtMs,
  };
}

function nodeBody(row: LedgerRow) {
  return { node_id: row.nodeId, epoch: row.epoch, fault: row.fault };
}
