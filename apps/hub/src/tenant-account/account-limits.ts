// Owns the tenant's live limits: requests and tokens a minute, and what running requests hold. In memory only, so
// that an admission commits nothing; a restarted account starts with full buckets and no holds
// (docs/consistency.md). Invariant: a hold's tokens are taken from the bucket once, and corrected to the actual
// number once, when it is settled.
import type { AccountConfig, RateState } from "@fairlane/protocol";
import { ReservationBook } from "@fairlane/ledger";
import { HOLDS_MAX } from "../limits.ts";
import { RateBucket } from "./rate-bucket.ts";

export class AccountLimits {
  readonly holds = new ReservationBook(HOLDS_MAX);
  readonly requests: RateBucket;
  readonly tokens: RateBucket;
  #parallelRequests: number;

  constructor(config: AccountConfig, nowMs: number) {
    this.requests = new RateBucket(config.requestsPerMinute, nowMs);
    this.tokens = new RateBucket(config.tokensPerMinute, nowMs);
    this.#parallelRequests = config.parallelRequests;
  }

  get parallelRequests(): number {
    return this.#parallelRequests;
  }

  /** Takes over changed limits; holds and what is taken stay. */
  configure(config: AccountConfig, nowMs: number): void {
    this.requests.configure(config.requestsPerMinute, nowMs);
    this.tokens.configure(config.tokensPerMinute, nowMs);
    this.#parallelRequests = config.parallelRequests;
  }

  /** Ends the hold of a request and corrects the bucket from its estimate to what was used. */
  settle(requestId: string, usedTokens: number, nowMs: number): void {
    const hold = this.holds.settle(requestId);
    if (hold) this.tokens.take(usedTokens - hold.tokensEstimate, nowMs);
  }

  /** Ends the hold of a request that never ran; its tokens go back. */
  release(requestId: string, nowMs: number): void {
    const hold = this.holds.void(requestId);
    if (hold) this.tokens.take(-hold.tokensEstimate, nowMs);
  }

  /** The numbers of the x-ratelimit-* headers. */
  rates(nowMs: number): RateState {
    return {
      limitRequests: this.requests.perMinute,
      remainingRequests: this.requests.remaining(nowMs),
      resetRequestsMs: this.requests.resetMs(nowMs),
      limitTokens: this.tokens.perMinute,
      remainingTokens: this.tokens.remaining(nowMs),
      resetTokensMs: this.tokens.resetMs(nowMs),
    };
  }
}
