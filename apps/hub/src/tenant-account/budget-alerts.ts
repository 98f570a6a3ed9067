// Owns the alerts of budgets: an event for each threshold that a settlement passes, put into the webhook outbox in the
// settlement's transaction. Invariant: a threshold of a window and limit has one event id, whoever passes it how often.
import { windowAt } from "@fairlane/ledger";
import type { AccountConfig, Budget } from "@fairlane/protocol";
import type { SpendStore } from "./spend.ts";
import type { WebhookOutbox } from "./webhook-outbox.ts";

/** What a budget had spent in its window before a settlement. */
export interface SpentBefore {
  readonly budget: Budget;
  readonly windowStartMs: number;
  readonly nanoUsd: number;
}

/** Notes what is spent now; nothing when nobody is to be told. */
export function spentBefore(
  config: AccountConfig,
  spend: SpendStore,
  nowMs: number,
): readonly SpentBefore[] {
  if (config.webhookUrl === null) return [];
  return config.budgets.map((budget) => {
    const { startMs } = windowAt(budget.window, nowMs);
    return {
      budget,
      windowStartMs: startMs,
      nanoUsd: spend.spentSince(budget.scopeId, startMs),
    };
  });
}

/** Puts an event into the outbox for every threshold that was passed since. */
export function alertPassed(
  books: { readonly spend: SpendStore; readonly webhooks: WebhookOutbox },
  account: { readonly config: AccountConfig; readonly before: readonly SpentBefore[] },
  nowMs: number,
): void {
  const { tenantId } = account.config;
  for (const { budget, windowStartMs, nanoUsd } of account.before) {
    const spentNanoUsd = books.spend.spentSince(budget.scopeId, windowStartMs);
    for (const percent of budget.alertPercents) {
      const threshold = (BigInt(budget.limitNanoUsd) * BigInt(percent)) / 100n;
      if (BigInt(nanoUsd) >= threshold || BigInt(spentNanoUsd) < threshold) continue;
      const { scopeId, window, mode, limitNanoUsd } = budget;
      const id = `${scopeId}.${window}.${mode}.${windowStartMs}.${limitNanoUsd}.${percent}`;
      const data = {
        tenant_id: tenantId,
        scope_id: scopeId,
        window,
        mode,
        window_start_ms: windowStartMs,
        limit_nano_usd: limitNanoUsd,
        spent_nano_usd: spentNanoUsd,
        percent,
      };
      books.webhooks.add({ id, tenantId, type: "fairlane.budget.threshold", atMs: nowMs, data });
    }
  }
}
