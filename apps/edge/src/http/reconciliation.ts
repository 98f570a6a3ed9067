// GET /v1/fairlane/admin/tenants/{tenant}/reconciliation: what a tenant's account has settled against what its ledger has.
// The account's sums are made once for each record, the ledger's rows once for each entry: they differ only by what is on
// its way, which the account knows, or by a fault, which this shows.
import { ledgerOf, usageTotals } from "@fairlane/db";
import type { TenantAccountRpc } from "@fairlane/protocol";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { existingTenant } from "./admin-tenants.ts";
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
