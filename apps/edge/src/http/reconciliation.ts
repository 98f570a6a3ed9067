// GET /v1/fairlane/admin/tenants/{tenant}/reconciliation: what a tenant's account has settled against what its ledger has.
// The account's sums are made once for each record, the ledger's rows once for each entry: they differ only by what is on
// its way, which the account knows, or by a fault, which this shows.
import {
  ledgerOf,
  listReconciliations,
  reconciliationTotals,
  usageTotals,
  type Reconciliation,
} from "@fairlane/db";
import type { TenantAccountRpc } from "@fairlane/protocol";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { existingTenant } from "./admin-tenants.ts";
import { pageBody, parsePageQuery } from "./page-query.ts";
import { writeAccount } from "./write-account.ts";

export function reconciliationRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const { id: tenantId } = await existingTenant(deps, context.req.param("tenant") ?? "");
    const write = (account: TenantAccountRpc) => account.books();
    const books = await writeAccount(context, deps, { tenantId, write });
    const ledger = await usageTotals(ledgerOf(deps.ledgers, tenantId), tenantId);
    // An entry that was written a moment ago may be counted as waiting and in the ledger: ask again.
    const difference = {
      entries: books.entries - books.waitingEntries - ledger.entries,
      nano_usd: books.spentNanoUsd - books.waitingNanoUsd - ledger.costNanoUsd,
    };
    return Response.json({
      object: "fairlane.reconciliation",
      tenant_id: tenantId,
      account: { entries: books.entries, cost_nano_usd: books.spentNanoUsd },
      waiting: { entries: books.waitingEntries, cost_nano_usd: books.waitingNanoUsd },
      ledger: { entries: ledger.entries, cost_nano_usd: ledger.costNanoUsd },
      difference,
      is_balanced: difference.entries === 0 && difference.nano_usd === 0,
    });
  };
}

/** GET /v1/fairlane/admin/reconciliation: what the job found last of every tenant, the largest difference first. */
export function reconciliationsRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const { limit, after } = parsePageQuery(context);
    const [totals, rows] = await Promise.all([
      reconciliationTotals(deps.controlDb),
      listReconciliations(deps.controlDb, { after, rowsMax: limit + 1 }),
    ]);
    return Response.json({
      ...pageBody(rows.map(resultBody), limit),
      tenant_count: totals.tenants,
      unbalanced_count: totals.unbalanced,
      is_balanced: totals.unbalanced === 0,
      oldest_checked_at_ms: totals.oldestCheckedAtMs,
    });
  };
}

function resultBody(row: Reconciliation) {
  return {
    object: "fairlane.reconciliation_result",
    tenant_id: row.tenantId,
    checked_at_ms: row.checkedAtMs,
    is_balanced: row.severity === 0,
    is_exact: row.isExact,
    account_difference: { entries: row.entriesDifference, nano_usd: row.nanoUsdDifference },
    journal_difference: {
      sources_checked: row.sourcesChecked,
      sources_differing: row.sourcesDiffering,
      records: row.recordsDifference,
      prompt_tokens: row.promptTokensDifference,
      cached_tokens: row.cachedTokensDifference,
      output_tokens: row.outputTokensDifference,
    },
  };
}
