// Owns the account of a tenant's money as it stands: what is spent, held, owed and left.
import type { BooksState, FundsState } from "@fairlane/protocol";
import { hubConfig, type HubEnv } from "../env.ts";
import { BOOKS_TIMEOUT_MS } from "../limits.ts";
import { objectsOf } from "../objects.ts";
import { withTimeout } from "../retry.ts";
import type { AccountLimits } from "./account-limits.ts";
import type { Funds } from "./funds.ts";
import type { Books } from "./settle.ts";

/** Everything as of now; an account without a configuration has spent nothing. */
export function fundsState(
  account: {
    readonly books: Books;
    readonly limits: AccountLimits | undefined;
    readonly funds: Funds;
  },
  nowMs: number,
): FundsState {
  const { books, limits, funds } = account;
  const { credits, spend } = books;
  const { config } = books.configs;
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

/** What was settled, and what of it waits for the ledger; of a time that is asked about what waits anywhere. */
export async function booksState(
  { spend, outbox, configs }: Books,
  env: HubEnv,
  endedBeforeMs?: number,
): Promise<BooksState> {
  const tenantId = configs.config?.tenantId;
  // The intakes first: what they hand over meanwhile is then counted twice, not never.
  const atIntakes =
    endedBeforeMs === undefined || tenantId === undefined
      ? []
      : await Promise.all(
          hubConfig(env).regions.map((region) => {
            const intake = objectsOf(env).intake(region);
            return withTimeout(intake.waitingBefore(tenantId, endedBeforeMs), BOOKS_TIMEOUT_MS);
          }),
        );
  const { entries, spentNanoUsd } = spend.read();
  const { entries: waitingEntries, nanoUsd: waitingNanoUsd } = outbox.waiting();
  const books = { entries, spentNanoUsd, waitingEntries, waitingNanoUsd };
  if (endedBeforeMs === undefined) return books;
  const unsettledBefore = atIntakes.reduce(
    (sum, records) => sum + records,
    outbox.waitingBefore(endedBeforeMs),
  );
  return { ...books, unsettledBefore };
}
