// Owns the requests that wait to join the running set, first come first served within their tier; those that ran and
// were preempted go first. It does not choose whose turn it is: fairness between tenants will stand over it.
// Invariants: queued requests, their prompt tokens and each tenant's requests stay within their bounds; a full queue
// refuses and never drops; preempted requests of a tier are at most the slots, since none joins before they did.
import { assert, BoundedQueue } from "@fairlane/base";
import type { ErrorValue } from "@fairlane/protocol";
import { RETRY_AFTER_FULL_MS, RUNNING_REQUESTS_MAX } from "../limits.ts";
import type { PreemptedRequest, QueuedRequest, WaitingRequest } from "../request/request.ts";
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
  /** The last one joins first. */
  readonly #preempted: Readonly<Record<Tier, PreemptedRequest[]>> = { interactive: [], batch: [] };
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
    return this.countOf("interactive") + this.countOf("batch");
  }

  countOf(tier: Tier): number {
    return this.#queues[tier].count + this.#preempted[tier].length;
  }

  /** Prompt tokens of queued requests. */
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
    if (this.#queuedCount >= requestsMax || !this.#queues[tier].push(request)) {
      return full(`${requestsMax} requests wait, as many as may`);
    }
    this.#countOfTenant.set(tenantId, ofTenant + 1);
    this.#promptTokens[tier] += promptTokens.length;
    this.#earliestStartMs = Math.min(this.#earliestStartMs, request.latestStartMs);
    return null;
  }

  /** Takes a preempted request in, before all others of its tier: what is preempted later joined earlier. */
  addPreempted(request: PreemptedRequest): void {
    const preempted = this.#preempted[request.spec.tier];
    assert(preempted.length < RUNNING_REQUESTS_MAX, `${preempted.length} requests are preempted`);
    preempted.push(request);
  }

  /** The request of the tier whose turn it is, left in place. */
  peek(tier: Tier): WaitingRequest | undefined {
    return this.#preempted[tier].at(-1) ?? this.#queues[tier].peek();
  }

  /** Takes the request of the tier whose turn it is. */
  shift(tier: Tier): WaitingRequest | undefined {
    const preempted = this.#preempted[tier].pop();
    if (preempted !== undefined) return preempted;
    const request = this.#queues[tier].shift();
    if (request !== undefined) this.#forget(request);
    return request;
  }

  /** Takes these requests out of the middle. O(count). */
  removeAll(requests: ReadonlySet<WaitingRequest>): void {
    let removedCount = this.#removeWhere((request) => requests.has(request)).length;
    for (const preempted of Object.values(this.#preempted)) {
      const left = preempted.filter((request) => !requests.has(request));
      removedCount += preempted.length - left.length;
      preempted.splice(0, preempted.length, ...left);
    }
    assert(removedCount === requests.size, `${removedCount} of ${requests.size} are waiting`);
  }

  /**
   * Takes out every queued request whose latest start has come, per tier oldest first. What has run goes on, as the
   * running ones do.
   */
  takeExpired(nowMs: number): QueuedRequest[] {
    if (nowMs < this.#earliestStartMs) return [];
    this.#earliestStartMs = Infinity;
    return this.#removeWhere(({ latestStartMs }) => {
      if (latestStartMs <= nowMs) return true;
      this.#earliestStartMs = Math.min(this.#earliestStartMs, latestStartMs);
      return false;
    });
  }

  get #queuedCount(): number {
    return this.#queues.interactive.count + this.#queues.batch.count;
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
