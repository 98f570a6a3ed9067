// Owns how large the page pool is when nobody says: enough for the running set, within a share of the memory that
// this process may still take. Invariant: the pool holds at least one request of the smallest useful size.
import { assert } from "@fairlane/base";

export interface PoolWish {
  readonly kvBytesPerToken: number;
  readonly pageTokens: number;
  readonly contextTokens: number;
  readonly runningRequestsMax: number;
  /** Memory that the process can still get, limits of its container included. */
  readonly availableBytes: number;
}

/** Tokens of prompt and answer that a typical request keeps: twice the usual chat turn. */
const TYPICAL_REQUEST_TOKENS = 2_048;
/** Share of the available memory for pages; weights, activations and other processes need the rest. */
const MEMORY_SHARE = 0.25;
/** Tokens below which a node is of no use. */
const POOL_TOKENS_MIN = 512;

/** Pages of the default pool. */
export function defaultPageCount(wish: PoolWish): number {
  const { kvBytesPerToken, pageTokens, contextTokens, runningRequestsMax, availableBytes } = wish;
  assert(kvBytesPerToken > 0 && pageTokens > 0, "the size of a page is not known");
  const wantedTokens = Math.max(contextTokens, runningRequestsMax * TYPICAL_REQUEST_TOKENS);
  const affordableTokens = Math.floor((availableBytes * MEMORY_SHARE) / kvBytesPerToken);
  const tokens = Math.max(POOL_TOKENS_MIN, Math.min(wantedTokens, affordableTokens));
  return Math.ceil(tokens / pageTokens);
}
