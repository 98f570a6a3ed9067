// Owns the account of a tenant's money as it stands: what is spent, held, owed and left.
import type { AccountConfig, BooksState, FundsState } from "@fairlane/protocol";
import type { AccountLimits } from "./account-limits.ts";
import type { CreditStore } from "./credit-store.ts";
import type { Funds } from "./funds.ts";
import type { Books } from "./settle.ts";
import type { SpendStore } from "./spend.ts";

/** Everything as of now; an account without a configuration has spent nothing. */
export function fundsState(
  account: {
    readonly config: AccountConfig | undefined;
    readonly limits: AccountLimits | undefined;
    readonly credits: CreditStore;
    readonly spend: SpendStore;
    readonly funds: Funds;
  },
  nowMs: number,
): FundsState {
  const { config, limits, credits, spend, funds } = account;
  const heldOf = (scopeId: string): number => limits?.heldNanoUsd(scopeId, nowMs) ?? 0;
  const heldNanoUsd = config ? heldOf(config.tenantId) : 0;
  const creditNanoUsd = credits.leftNanoUsd(heldNanoUsd, nowMs);
  const { spentNanoUsd } = spend.read();
  return {
    prepaid: config?.prepaid ?? false,
    spentNanoUsd,
    heldNanoUsd,
    creditNanoUsd,
    owedNanoUsd: spentNanoUsd - credits.usedNanoUsd,
    budgets: funds.states(heldOf, nowMs),
    credits: credits.grants,
  };
}

/** What was settled, and what of it waits for the ledger. */
export function booksState({ spend, outbox }: Books): BooksState {
  const { entries, spentNanoUsd } = spend.read();
  const { entries: waitingEntries, nanoUsd: waitingNanoUsd } = outbox.waiting();
  return { entries, spentNanoUsd, waitingEntries, waitingNanoUsd };
}
