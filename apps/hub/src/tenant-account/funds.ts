// Owns what a tenant may spend: budgets of the tenant, its projects and its keys, and prepaid credit. Decides; the
// sums are the stores'. Invariant: what it lets through keeps spent + held <= limit in every budget, and
// held <= credit of a prepaid tenant.
import { costBoundNanoUsd, ledgerLimits, windowAt } from "@fairlane/ledger";
import type {
  AccountConfig,
  AccountPrices,
  Budget,
  BudgetState,
  ErrorCode,
  ErrorValue,
} from "@fairlane/protocol";
import { RETRY_AFTER_MS } from "../limits.ts";
import type { CreditStore } from "./credit-store.ts";
import type { SpendStore } from "./spend.ts";

/** What running requests of a scope hold. */
export type HeldOf = (scopeId: string) => number;

export class Funds {
  readonly spend: SpendStore;
  readonly credits: CreditStore;
  #config: Pick<AccountConfig, "tenantId" | "budgets" | "prepaid"> | undefined;

  constructor(spend: SpendStore, credits: CreditStore) {
    this.spend = spend;
    this.credits = credits;
  }

  configure(config: AccountConfig): void {
    this.#config = config;
  }

  /** Scopes whose held money bounds what is admitted. */
  get scopeIds(): ReadonlySet<string> {
    const { tenantId, budgets = [], prepaid } = this.#config ?? {};
    const ids = new Set(budgets.map(({ scopeId }) => scopeId));
    if (prepaid === true && tenantId !== undefined) ids.add(tenantId);
    return ids;
  }

  /** True when a request of these scopes must not pass what it holds: it runs on grants. */
  isHard(scopeIds: readonly string[]): boolean {
    if (this.#config?.prepaid === true) return true;
    return this.#budgetsOf(scopeIds).some(({ mode }) => mode === "hard");
  }

  /** What more could be held in a scope that holds nothing; infinite without a budget. */
  roomNanoUsd(scopeId: string, nowMs: number): number {
    const rooms = this.#budgetsOf([scopeId]).map(
      (budget) => budget.limitNanoUsd - this.#spent(budget, nowMs),
    );
    if (this.#isPrepaid(scopeId)) rooms.push(this.credits.leftNanoUsd(0, nowMs));
    return Math.max(0, Math.min(Number.POSITIVE_INFINITY, ...rooms));
  }

  /** Why an amount may not be held on top of what is held, or null. */
  refusal(
    want: {
      readonly scopeIds: readonly string[];
      readonly nanoUsd: number;
      readonly heldOf: HeldOf;
    },
    nowMs: number,
  ): ErrorValue | null {
    const { scopeIds, nanoUsd, heldOf } = want;
    for (const budget of this.#budgetsOf(scopeIds)) {
      const leftNanoUsd = budget.limitNanoUsd - this.#spent(budget, nowMs);
      const heldNanoUsd = heldOf(budget.scopeId);
      if (heldNanoUsd + nanoUsd <= leftNanoUsd) continue;
      const what = `The ${budget.window}'s budget of ${budget.limitNanoUsd} nano-USD`;
      const numbers = `${leftNanoUsd} remain, ${heldNanoUsd} are held and up to ${nanoUsd} are needed`;
      return nanoUsd > leftNanoUsd
        ? refused("budget_exceeded", `${what} does not cover the request: ${numbers}.`)
        : busy(`${what} is held by running requests: ${numbers}.`);
    }
    const [tenantId = ""] = scopeIds;
    if (!this.#isPrepaid(tenantId)) return null;
    const heldNanoUsd = heldOf(tenantId);
    const leftNanoUsd = this.credits.leftNanoUsd(heldNanoUsd, nowMs);
    if (heldNanoUsd + nanoUsd <= leftNanoUsd) return null;
    const numbers = `${leftNanoUsd} nano-USD remain, ${heldNanoUsd} are held and up to ${nanoUsd} are needed`;
    return nanoUsd > leftNanoUsd
      ? refused("credit_exhausted", `The credit does not cover the request: ${numbers}.`)
      : busy(`The credit is held by running requests: ${numbers}.`);
  }

  /** All budgets as they stand. */
  states(heldOf: HeldOf, nowMs: number): readonly BudgetState[] {
    return (this.#config?.budgets ?? []).map((budget) => ({
      ...budget,
      ...windowOf(budget, nowMs),
      spentNanoUsd: this.#spent(budget, nowMs),
      heldNanoUsd: heldOf(budget.scopeId),
    }));
  }

  #budgetsOf(scopeIds: readonly string[]): readonly Budget[] {
    return (this.#config?.budgets ?? []).filter(({ scopeId }) => scopeIds.includes(scopeId));
  }

  #isPrepaid(scopeId: string): boolean {
    return this.#config?.prepaid === true && this.#config.tenantId === scopeId;
  }

  #spent(budget: Budget, nowMs: number): number {
    return this.spend.spentSince(budget.scopeId, windowOf(budget, nowMs).windowStartMs);
  }
}

/** Bound of what a request may cost; an amount that no counter can hold counts as the largest one. */
export function neededNanoUsd(
  prices: AccountPrices,
  request: Parameters<typeof costBoundNanoUsd>[1],
): number {
  const bound = costBoundNanoUsd(prices, request);
  if (bound.ok) return bound.value;
  // What has no price is billed as nothing; everything else is out of range.
  return bound.error === "price_missing" ? 0 : ledgerLimits.NANO_USD_MAX;
}

function windowOf(budget: Budget, nowMs: number) {
  const { startMs, endMs } = windowAt(budget.window, nowMs);
  return { windowStartMs: startMs, windowEndMs: endMs };
}

function refused(code: ErrorCode, message: string): ErrorValue {
  return { code, message, param: null };
}

function busy(message: string): ErrorValue {
  const code = "in_flight_budget_exhausted";
  return { code, message, param: null, retryAfterMs: RETRY_AFTER_MS };
}
