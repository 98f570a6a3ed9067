// Owns the types of the RPC about a tenant's money: edge -> account (credits, budgets as they stand) and
// RegionHub -> account (grants of output tokens under a hard budget). Plain data only: it crosses isolates.
import type { Budget, BudgetRef } from "./account-config.ts";

/** A budget as it stands. */
export interface BudgetState extends Budget {
  readonly windowStartMs: number;
  readonly windowEndMs: number;
  readonly spentNanoUsd: number;
  /** By running requests. */
  readonly heldNanoUsd: number;
}

/** A change of the budgets that a tenant sets itself. */
export type OwnBudgetChange =
  | { readonly kind: "put"; readonly budget: Budget }
  | { readonly kind: "drop"; readonly budget: BudgetRef };

/** `unknown`: there is no such budget of the tenant's own; `too_many`: it has as many as it may. */
export type OwnBudgetOutcome = "done" | "unknown" | "too_many";

/** Credit given to a tenant; the id makes it count once. */
export interface CreditInput {
  readonly grantId: string;
  readonly grantedNanoUsd: number;
  /** Null: never. */
  readonly expiresAtMs: number | null;
}

/** A grant of credit as it stands: granted = left + used + expired. */
export interface CreditState extends CreditInput {
  readonly usedNanoUsd: number;
  readonly expiredNanoUsd: number;
  readonly grantedAtMs: number;
}

/** "known": given before; "full": the account keeps no more grants. */
export type CreditOutcome = "granted" | "known" | "full";

/** What an account has settled, for comparing it with the ledger. */
export interface BooksState {
  readonly entries: number;
  readonly spentNanoUsd: number;
  /** Of those: not yet known to be in the ledger. */
  readonly waitingEntries: number;
  readonly waitingNanoUsd: number;
  /**
   * Of what ended before the time that was asked about: entries and records that are known of and not yet known to be in
   * the ledger, in the account and in the intake of any region. Absent where no time was asked about.
   */
  readonly unsettledBefore?: number;
}

/** A tenant's money as it stands. */
export interface FundsState {
  readonly prepaid: boolean;
  /** Billed since the account was made. */
  readonly spentNanoUsd: number;
  readonly heldNanoUsd: number;
  readonly creditNanoUsd: number;
  /** Billed and not covered by credit. */
  readonly owedNanoUsd: number;
  readonly budgets: readonly BudgetState[];
  readonly credits: readonly CreditState[];
}

/** A running request that will reach the end of its grant. */
export interface GrantAsk {
  readonly requestId: string;
  /** The one that runs: what an earlier one cost does not end what is held. */
  readonly attempt: number;
  readonly projectId: string;
  readonly keyId: string;
  readonly priceVersion: string;
  /** As the client named it; null for the default one. */
  readonly model: string | null;
  /** Of all its prompts, as the node counted them. */
  readonly promptTokens: number;
  readonly answerCount: number;
  /** Output tokens of each answer that it may compute now. */
  readonly grantTokens: number;
  /** And at most. */
  readonly outputTokensMax: number;
  readonly leaseUntilMs: number;
}

/** Output tokens of each answer that a request may compute in all. */
export interface TokenGrant {
  readonly requestId: string;
  readonly grantTokens: number;
}
