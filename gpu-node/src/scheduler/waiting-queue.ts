// Owns the requests that wait to join the running set, first come first served within their tier. It does not choose
// whose turn it is: fairness between tenants will stand over it. Invariant: requests, prompt tokens and each tenant's
// requests stay within their bounds; a full queue refuses and never drops.
import { assert, BoundedQueue } from "@fairlane/base";
import type { ErrorValue } from "@fairlane/protocol";
import { RETRY_AFTER_FULL_MS } from "../limits.ts";
import type { QueuedRequest } from "../request/request.ts";
import type { Tier } from "./tier-turns.ts";

/** Bounds of a waiting queue. */
export interface WaitingBounds {
  readonly requestsMax: number;
  readonly requestsPerTenantMax: number;
  readonly promptTokensMax: number;
}

export class WaitingQueue {
  readonly #bounds: WaitingBounds;
  readonly #queues: Readonly<Record<Tier, BoundedQueue<QueuedRequest>>>;
  readonly #countOfTenant = new Map<string, number>();
  readonly #promptTokens: Record<Tier, number> = { interactive: 0, batch: 0 };
  /** No request has to start earlier; spares a scan in every step. */
  #earliestStartMs = Infinity;

  constructor(bounds: WaitingBounds) {
    this.#bounds = bounds;
    const { requestsMax } = bounds;
    this.#queues = {
      interactive: new BoundedQueue(requestsMax),
      batch: new BoundedQueue(requestsMax),
    };
  }

  get count(): number {
    return this.#queues.interactive.count + this.#queues.batch.count;
  }

  countOf(tier: Tier): number {
    return this.#queues[tier].count;
  }

  get promptTokens(): number {
    return this.#promptTokens.interactive + this.#promptTokens.batch;
  }

  promptTokensOf(tier: Tier): number {
    return this.#promptTokens[tier];
  }

  /** Adds a request at the tail; returns the error when a bound is reached, and null when it waits. */
  add(request: QueuedRequest): ErrorValue | null {
    const { tenantId, promptTokens, tier } = request.spec;
    const ofTenant = this.#countOfTenant.get(tenantId) ?? 0;
    const { requestsPerTenantMax, promptTokensMax, requestsMax } = this.#bounds;
    if (ofTenant >= requestsPerTenantMax) {
      return full(`the tenant has ${ofTenant} requests waiting, ${requestsPerTenantMax} may`);
    }
    if (this.promptTokens + promptTokens.length > promptTokensMax) {
      return full(`${this.promptTokens} prompt tokens wait, ${promptTokensMax} may`);
    }
    if (this.count >= requestsMax || !this.#queues[tier].push(request)) {
      return full(`${requestsMax} requests wait, as many as may`);
    }
    this.#countOfTenant.set(tenantId, ofTenant + 1);
    this.#promptTokens[tier] += promptTokens.length;
    this.#earliestStartMs = Math.min(this.#earliestStartMs, request.latestStartMs);
    return null;
  }

  /** The request of the tier whose turn it is, left in place. */
  peek(tier: Tier): QueuedRequest | undefined {
    return this.#queues[tier].peek();
  }

  /** Takes the request of the tier whose turn it is. */
  shift(tier: Tier): QueuedRequest | undefined {
    const request = this.#queues[tier].shift();
    if (request !== undefined) this.#forget(request);
    return request;
  }

  /** Takes these requests out of the middle. O(count). */
  removeAll(requests: ReadonlySet<QueuedRequest>): void {
    const removed = this.#removeWhere((request) => requests.has(request));
    assert(removed.length === requests.size, `${removed.length} of ${requests.size} are waiting`);
  }

  /** Takes out every request whose latest start has come, per tier oldest first. */
  takeExpired(nowMs: number): QueuedRequest[] {
    if (nowMs < this.#earliestStartMs) return [];
    this.#earliestStartMs = Infinity;
    return this.#removeWhere(({ latestStartMs }) => {
      if (latestStartMs <= nowMs) return true;
      this.#earliestStartMs = Math.min(this.#earliestStartMs, latestStartMs);
      return false;
    });
  }

  #removeWhere(isGone: (request: QueuedRequest) => boolean): QueuedRequest[] {
    const { interactive, batch } = this.#queues;
    const removed = [...interactive.removeWhere(isGone), ...batch.removeWhere(isGone)];
    for (const request of removed) this.#forget(request);
    return removed;
  }

  #forget({ spec }: QueuedRequest): void {
    const left = (this.#countOfTenant.get(spec.tenantId) ?? 0) - 1;
    assert(left >= 0, `tenant ${spec.tenantId} has ${left} requests waiting`);
    if (left === 0) this.#countOfTenant.delete(spec.tenantId);
    else this.#countOfTenant.set(spec.tenantId, left);
    this.#promptTokens[spec.tier] -= spec.promptTokens.length;
  }
}

function full(reason: string): ErrorValue {
  const message = `The node's queue is full: ${reason}. Please retry later.`;
  return { code: "overloaded", message, param: null, retryAfterMs: RETRY_AFTER_FULL_MS };
}
