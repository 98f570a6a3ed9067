// Owns the types of the RPC about idempotency keys: edge -> account. Plain data only: it crosses isolates.

/** A client's key and what it came with, as digests (64 hex digits each). */
export interface IdempotencyInput {
  readonly keyHash: string;
  readonly bodyHash: string;
}

/** A request that claimed a key. */
export interface IdempotentRef {
  readonly projectId: string;
  readonly keyHash: string;
  readonly requestId: string;
}

/** "forgotten": the request failed, or its day is over; the key is free. */
export type IdempotencyState = "running" | "finished" | "forgotten";
