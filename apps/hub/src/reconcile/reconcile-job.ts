// Owns the job that compares every tenant's account and the nodes' journals with the ledger, and keeps the result where
// the operator sees it. A tenant whose usage is moving is looked at again; what is still moving is held to bounds.
import {
  keepReconciliation,
  ledgerSums,
  openControlDb,
  openLedgerDb,
  reconciliationTotals,
  tenantsToReconcile,
  type LedgerSums,
  type Reconciliation,
} from "@fairlane/db";
import { hubConfig, type HubEnv } from "../env.ts";
import type { Job } from "../jobs/job.ts";
import * as bounds from "../limits.ts";
import { logEvent } from "../log.ts";
import { objectsOf } from "../objects.ts";
import { withTimeout } from "../retry.ts";
import {
  differenceAtRest,
  differenceInMotion,
  isAtRest,
  severityOf,
  type UsageState,
} from "./compare-books.ts";

const EVERY_MS = 3_600_000;

/** Compares the tenants that were not compared for longest; a round ends when none was longer ago than half an hour. */
export const reconcileJob: Job = {
  name: "reconcile",
  everyMs: EVERY_MS,
  async run(env, nowMs) {
    const controlDb = openControlDb(env.CONTROL_DB);
    const due = await tenantsToReconcile(controlDb, { tenantsMax: bounds.RECONCILE_TENANTS_MAX });
    let movingCount = 0;
    const compareOne = async (tenantId: string): Promise<void> => {
      const result = await reconcileTenant(env, tenantId, nowMs);
      if (!result.isExact) movingCount += 1;
      await keepReconciliation(controlDb, result);
    };
    for (let at = 0; at < due.length; at += bounds.RECONCILE_PARALLEL_MAX) {
      await Promise.all(due.slice(at, at + bounds.RECONCILE_PARALLEL_MAX).map(compareOne));
    }
    const left = { tenantsMax: 1, beforeMs: nowMs - EVERY_MS / 2 };
    const isComplete = (await tenantsToReconcile(controlDb, left)).length === 0;
    const { tenants, unbalanced } = await reconciliationTotals(controlDb);
    return {
      isComplete,
      figures: {
        comparedTenants: due.length,
        movingTenants: movingCount,
        allTenants: tenants,
        unbalancedTenants: unbalanced,
        isBalanced: unbalanced === 0,
      },
    };
  },
};

/** One tenant's comparison, as of now. */
async function reconcileTenant(
  env: HubEnv,
  tenantId: string,
  nowMs: number,
): Promise<Reconciliation> {
  let looked = await look(env, tenantId);
  for (let tries = 1; !looked.isExact && tries < bounds.RECONCILE_TRIES_MAX; tries++) {
    await new Promise((resolve) => setTimeout(resolve, bounds.RECONCILE_PAUSE_MS));
    looked = await look(env, tenantId);
  }
  const { isExact, difference } = looked;
  const severity = severityOf(difference);
  if (severity > 0) logEvent("error", "reconcile_difference", { tenantId, isExact, ...difference });
  return { tenantId, checkedAtMs: nowMs, isExact, ...difference, severity };
}

async function look(env: HubEnv, tenantId: string) {
  const before = await usageState(env, tenantId);
  const ledger: LedgerSums = await withTimeout(
    ledgerSums(openLedgerDb(env.LEDGER_DB), tenantId),
    bounds.LEDGER_TIMEOUT_MS,
  );
  const after = await usageState(env, tenantId);
  const isExact = isAtRest(before, after);
  const difference = isExact
    ? differenceAtRest(after, ledger)
    : differenceInMotion({ before, after }, ledger);
  return { isExact, difference };
}

async function usageState(env: HubEnv, tenantId: string): Promise<UsageState> {
  const { regions } = hubConfig(env);
  const intakes = await Promise.all(
    regions.map((region) =>
      withTimeout(objectsOf(env).intake(region).stateOf(tenantId), bounds.RECONCILE_TIMEOUT_MS),
    ),
  );
  const account = objectsOf(env).account(tenantId);
  return { books: await withTimeout(account.books(), bounds.RECONCILE_TIMEOUT_MS), intakes };
}
