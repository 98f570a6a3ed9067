// Owns the types of a tenant's configuration as its account keeps it: limits per minute and in parallel of the tenant,
// of its projects and of its keys, and its prices. Plain data only: it crosses isolates.

/** Prices in integer nano-USD per million tokens, by model id; `*` is any other model. */
export interface AccountPrices {
  readonly version: string;
  readonly models: Readonly<Record<string, ModelPrice>>;
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

/** A tenant as its account object keeps it. */
export interface AccountConfig extends RateLimits {
  readonly tenantId: string;
  readonly active: boolean;
  readonly weight: number;
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
  readonly parallelRequests: number;
  readonly scopeLimits: readonly ScopeLimits[];
  readonly prices: AccountPrices;
}
