// Owns the types of a tenant's configuration as its account keeps it: limits per minute and in parallel, and budgets, of
// the tenant, of its projects and of its keys, and its prices. Plain data only: it crosses isolates.

/** Prices in integer nano-USD per million tokens, by model id; `*` is any other model. */
export interface AccountPrices {
  readonly version: string;
  readonly models: Readonly<Record<string, ModelPrice>>;
  /** What requests of batches cost, in percent of the prices; absent (in versions from before) = 100. */
  readonly batchPercent?: number;
}

export interface ModelPrice {
  readonly inputNanoUsdPerMillion: number;
  readonly cachedInputNanoUsdPerMillion: number;
  readonly outputNanoUsdPerMillion: number;
}

/** Limits of a tenant, a project or a key; null = none at this level. */
export interface RateLimits {
  readonly requestsPerMinute: number | null;
  /** Prompt and output tokens together. */
  readonly tokensPerMinute: number | null;
  readonly inputTokensPerMinute: number | null;
  readonly outputTokensPerMinute: number | null;
  readonly parallelRequests: number | null;
}

/** Limits below the tenant's own. */
export interface ScopeLimits extends RateLimits {
  /** Id of a project or of a key. */
  readonly scopeId: string;
}

/** Money that may be spent in a window of UTC time. */
export interface Budget {
  /** Id of the tenant, of a project or of a key. */
  readonly scopeId: string;
  readonly window: "day" | "week" | "month";
  readonly limitNanoUsd: number;
  /** Hard: never passed. Soft: may be passed by what runs when it is reached. */
  readonly mode: "hard" | "soft";
  /** Parts of the limit whose passing is told. */
  readonly alertPercents: readonly number[];
  /** Set by the tenant itself, beside those of the operator; absent: by the operator. */
  readonly setBy?: "tenant";
}

/** What there is one budget of at most, among the operator's and among the tenant's own. */
export type BudgetRef = Pick<Budget, "scopeId" | "window" | "mode">;

/** A tenant as its account object keeps it. */
export interface AccountConfig extends RateLimits {
  readonly tenantId: string;
  readonly active: boolean;
  readonly weight: number;
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
  readonly parallelRequests: number;
  readonly scopeLimits: readonly ScopeLimits[];
  /** It may spend its credit and no more. */
  readonly prepaid: boolean;
  /** At most one of a scope, window and mode. */
  readonly budgets: readonly Budget[];
  /** Where alerts go. */
  readonly webhookUrl: string | null;
  readonly prices: AccountPrices;
}
