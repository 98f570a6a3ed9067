// Owns how many pages the pool has: what the operator says, or enough for the running set within a share of the memory
// that this process may still take. Invariant: the pool holds at least one request of the smallest useful size, or the
// node does not start.
import { assert } from "@fairlane/base";
import { formatBytes } from "./byte-size.ts";

export interface PoolWish {
  readonly kvBytesPerToken: number;
  readonly pageTokens: number;
  readonly contextTokens: number;
  readonly runningRequestsMax: number;
  /** Memory that the process can still get, limits of its container included. */
  readonly availableBytes: number;
  /** As the operator says; undefined: from the available memory. */
  readonly kvMemoryBytes?: number | undefined;
}

/** Tokens of prompt and answer that a typical request keeps: twice the usual chat turn. */
const TYPICAL_REQUEST_TOKENS = 2_048;
/** Share of the available memory for pages; weights, activations and other processes need the rest. */
const MEMORY_SHARE = 0.25;
/** Tokens below which a node is of no use: one short request. */
const POOL_TOKENS_MIN = 512;

/** Pages of the pool; throws a sentence for the operator when not even one request would fit. */
export function poolPageCount(wish: PoolWish): number {
  const { kvBytesPerToken, pageTokens, kvMemoryBytes } = wish;
  assert(kvBytesPerToken > 0 && pageTokens > 0, "the size of a page is not known");
  const pageCount =
    kvMemoryBytes === undefined
      ? defaultPageCount(wish)
      : Math.floor(kvMemoryBytes / (kvBytesPerToken * pageTokens));
  const tokensMin = Math.min(wish.contextTokens, POOL_TOKENS_MIN);
  if (pageCount * pageTokens >= tokensMin) return pageCount;
  throw new Error(
    `--kv-memory ${formatBytes(kvMemoryBytes ?? 0)} holds ${pageCount * pageTokens} tokens of this model; one request needs ` +
      `${tokensMin}, that is ${formatBytes(tokensMin * kvBytesPerToken)}. Please give more, or auto.`,
  );
}

function defaultPageCount(wish: PoolWish): number {
  const { kvBytesPerToken, pageTokens, contextTokens, runningRequestsMax, availableBytes } = wish;
  const wantedTokens = Math.max(contextTokens, runningRequestsMax * TYPICAL_REQUEST_TOKENS);
  const affordableTokens = Math.floor((availableBytes * MEMORY_SHARE) / kvBytesPerToken);
  const tokens = Math.max(POOL_TOKENS_MIN, Math.min(wantedTokens, affordableTokens));
  const pageCount = Math.ceil(tokens / pageTokens);
  const bytes = pageCount * pageTokens * kvBytesPerToken;
  if (bytes <= availableBytes) return pageCount;
  throw new Error(
    `A page pool for one request of ${POOL_TOKENS_MIN} tokens takes ${formatBytes(bytes)}, and ` +
      `${formatBytes(availableBytes)} of memory are free: free some, or raise the container's limit.`,
  );
}
