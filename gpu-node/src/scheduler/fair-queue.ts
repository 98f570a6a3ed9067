// Owns the requests that wait to join the running set and what each tenant was served: per tier the order of
// packages/vtc decides whose turn it is, tenants first, then keys, then adapters. It does not decide what fits. Invariants: queued
// requests, their prompt tokens and each tenant's requests stay within their bounds; a full queue refuses and never
// drops; a preempted request waits before younger ones of its client; every token is charged once, none twice.
import { assert, AssertionError } from "@fairlane/base";
import type { ErrorValue } from "@fairlane/protocol";
import {
  FairQueue as CounterQueue,
  type AdmissionOrder,
  type ForeignCharges,
  type Ticket,
} from "@fairlane/vtc";
import { RETRY_AFTER_FULL_MS } from "../limits.ts";
import type {
  LiveRequest,
  PreemptedRequest,
  QueuedRequest,
  RunningRequest,
  WaitingRequest,
} from "../request/request.ts";
import type { VictimOrder } from "./preemption.ts";
import type { Tier } from "./tier-turns.ts";

/** Bounds of the requests that wait. */
export interface WaitingBounds {
  readonly requestsMax: number;
  readonly requestsPerTenantMax: number;
  readonly promptTokensMax: number;
}

/** The key of requests whose door knows of none: their tenant's only one. */
const NO_KEY = "";
/** The adapter of requests without one. */
const NO_ADAPTER = "";

interface Entry {
  readonly ticket: Ticket<string>;
  readonly tier: Tier;
  /** Undefined while it runs. */
  waiting: WaitingRequest | undefined;
  /** Of the prompt: taken over from the request that it forked from, which paid for it. */
  readonly sharedTokens: number;
}

export class FairQueue {
  readonly #bounds: WaitingBounds;
  readonly #orders: Readonly<Record<Tier, AdmissionOrder<string>>>;
  readonly #entries = new Map<string, Entry>();
  /** By slot, of the request that had it last: spares a look-up for every token. */
  readonly #ofSlot: (Entry | undefined)[] = [];
  readonly #countOfTenant = new Map<string, number>();
  readonly #promptTokens: Record<Tier, number> = { interactive: 0, batch: 0 };
  #queuedCount = 0;
  /** No request has to start earlier; spares a scan in every step. */
  #earliestStartMs = Infinity;

  constructor(bounds: WaitingBounds, makeOrder: () => AdmissionOrder<string>) {
    this.#bounds = bounds;
    this.#orders = { interactive: makeOrder(), batch: makeOrder() };
  }

  get count(): number {
    return this.countOf("interactive") + this.countOf("batch");
  }

  countOf(tier: Tier): number {
    return this.#orders[tier].waitingCount;
  }

  /** Prompt tokens of queued requests. */
  get promptTokens(): number {
    return this.#promptTokens.interactive + this.#promptTokens.batch;
  }

  promptTokensOf(tier: Tier): number {
    return this.#promptTokens[tier];
  }

  /** Largest difference of the counters of waiting tenants, in weighted units; 0 for orders without counters. */
  get spreadUnits(): number {
    const { interactive, batch } = this.#orders;
    return Math.max(interactive.spreadUnits, batch.spreadUnits);
  }

  /** Takes a request in to wait for its turn; returns the error when a bound is reached, and null when it waits. */
  add(request: QueuedRequest, nowMs: number): ErrorValue | null {
    const { spec, outputTokensMax } = request;
    const { requestId, tenantId, keyId = NO_KEY, tier, weight, adapter } = spec;
    const refusal = this.#checkBounds(request);
    if (refusal !== null) return refusal;
    const ticket = this.#orders[tier].add({
      request: requestId,
      path: [tenantId, keyId, adapter?.digest ?? NO_ADAPTER],
      weight,
      promptTokens: spec.promptTokens.length,
      outputTokensMax,
      nowMs,
    });
    if (ticket === null) return OVER_RATE;
    this.#entries.set(requestId, { ticket, tier, waiting: request, sharedTokens: 0 });
    this.#queuedCount += 1;
    this.#countOfTenant.set(tenantId, this.#tenantCount(tenantId) + 1);
    this.#promptTokens[tier] += spec.promptTokens.length;
    this.#earliestStartMs = Math.min(this.#earliestStartMs, request.latestStartMs);
    return null;
  }

  /** The request of the tier whose turn it is, left in place. */
  peek(tier: Tier): WaitingRequest | undefined {
    const ticket = this.#orders[tier].peek();
    return ticket === undefined ? undefined : this.#entryOf(ticket.turn.request).waiting;
  }

  /**
   * The first request of the tier that may join, of clients whose counters are at most `slackUnits` above the lowest of
   * their level; undefined when none may, and for orders without counters.
   */
  peekWithin(
    tier: Tier,
    slackUnits: number,
    mayJoin: (request: WaitingRequest) => boolean,
  ): WaitingRequest | undefined {
    const ticket = this.#orders[tier].peekWithin?.(slackUnits, ({ turn }) => {
      const { waiting } = this.#entryOf(turn.request);
      return waiting !== undefined && mayJoin(waiting);
    });
    return ticket === undefined ? undefined : this.#entryOf(ticket.turn.request).waiting;
  }

  /** A waiting request has joined the running set: its tenant is charged for what of the prompt is not cached. */
  joined(request: RunningRequest): void {
    const { spec, cachedTokens } = request;
    const entry = this.#entryOf(spec.requestId);
    assert(entry.waiting !== undefined, `${spec.requestId} joins and does not wait`);
    if (entry.waiting.state === "queued") this.#forgetQueued(entry.waiting);
    entry.waiting = undefined;
    this.#ofSlot[request.slot] = entry;
    this.#orders[entry.tier].join(entry.ticket, { cachedTokens });
  }

  /** A running request gave its place up: it waits again. */
  addPreempted(request: PreemptedRequest): void {
    const entry = this.#entryOf(request.spec.requestId);
    entry.waiting = request;
    this.#orders[entry.tier].preempted(entry.ticket);
  }

  /**
   * A further answer to the prompt of a running request runs beside it: it is charged for its outputs, and for what it
   * computes of the prompt itself.
   */
  forked(
    parent: RunningRequest,
    { fork, sharedTokens }: { readonly fork: RunningRequest; readonly sharedTokens: number },
  ): void {
    const { ticket, tier } = this.#entryOf(parent.spec.requestId);
    const { requestId, promptTokens } = fork.spec;
    const prompt = { computedTokens: promptTokens.length - sharedTokens, cachedTokens: 0 };
    const forked = this.#orders[tier].fork(ticket, { request: requestId, prompt });
    const entry: Entry = { ticket: forked, tier, waiting: undefined, sharedTokens };
    this.#entries.set(requestId, entry);
    this.#ofSlot[fork.slot] = entry;
  }

  /** The engine computed an output token of a running request. */
  produced({ spec, slot }: RunningRequest): void {
    const late = this.#ofSlot[slot];
    const isOwn = late?.ticket.turn.request === spec.requestId;
    const { ticket, tier } = isOwn ? late : this.#entryOf(spec.requestId);
    this.#orders[tier].produced(ticket, 1);
  }

  /** Charges what a step produced. */
  settle(): void {
    this.#orders.interactive.settle();
    this.#orders.batch.settle();
  }

  /** A request has ended, whatever it did; what it was charged for and not computed is given back. */
  ended(request: LiveRequest): void {
    const { requestId } = request.spec;
    const { ticket, tier, waiting, sharedTokens } = this.#entryOf(requestId);
    this.#entries.delete(requestId);
    if (waiting?.state === "queued") this.#forgetQueued(waiting);
    this.#orders[tier].end(ticket, computedPromptOf(request, sharedTokens));
  }

  /** All that wait, in the order of their arrival. O(live requests). */
  get requests(): readonly WaitingRequest[] {
    return [...this.#entries.values()].flatMap(({ waiting }) => waiting ?? []);
  }

  /**
   * The queued requests whose latest start has come, oldest first; they wait until they have ended. What has run goes
   * on, as the running ones do.
   */
  expired(nowMs: number): readonly QueuedRequest[] {
    if (nowMs < this.#earliestStartMs) return [];
    this.#earliestStartMs = Infinity;
    return this.requests.filter((request): request is QueuedRequest => {
      if (request.state !== "queued") return false;
      if (request.latestStartMs <= nowMs) return true;
      this.#earliestStartMs = Math.min(this.#earliestStartMs, request.latestStartMs);
      return false;
    });
  }

  /** Adds service that other nodes gave a tenant, in units over its weight; it counts in both tiers. */
  addForeignService(tenantId: string, weightedUnits: number): void {
    for (const order of Object.values(this.#orders)) {
      if (order instanceof CounterQueue) order.addForeignService(tenantId, weightedUnits);
    }
  }

  /** Takes what is new of the fleet: its floor, and what other nodes gave tenants. */
  addForeign({ tenants, floorUnits }: ForeignCharges): void {
    // A tenant that is not known here was served elsewhere from where the floor was before.
    for (const { tenantId, units } of tenants) this.addForeignService(tenantId, units);
    for (const order of Object.values(this.#orders)) {
      if (order instanceof CounterQueue) order.raiseFloor(floorUnits);
    }
  }

  /**
   * Who pauses when pages run out: of the batch tier before the other, then of the tenant with the largest counter, the
   * request that joined last.
   */
  readonly victimOrder: VictimOrder = (candidates) =>
    candidates.reduce((worst, next) => (this.#isBetterVictim(next, worst) ? next : worst));

  #isBetterVictim(next: RunningRequest, worst: RunningRequest): boolean {
    const [a, b] = [this.#entryOf(next.spec.requestId), this.#entryOf(worst.spec.requestId)];
    if (a.tier !== b.tier) return a.tier === "batch";
    return this.#orders[a.tier].compareService(a.ticket, b.ticket) >= 0;
  }

  #checkBounds({ spec }: QueuedRequest): ErrorValue | null {
    const { requestsMax, requestsPerTenantMax, promptTokensMax } = this.#bounds;
    const ofTenant = this.#tenantCount(spec.tenantId);
    if (ofTenant >= requestsPerTenantMax) {
      return full(`the tenant has ${ofTenant} requests waiting, ${requestsPerTenantMax} may`);
    }
    if (this.promptTokens + spec.promptTokens.length > promptTokensMax) {
      return full(`${this.promptTokens} prompt tokens wait, ${promptTokensMax} may`);
    }
    if (this.#queuedCount < requestsMax) return null;
    return full(`${requestsMax} requests wait, as many as may`);
  }

  #entryOf(requestId: string): Entry {
    const entry = this.#entries.get(requestId);
    // A message is made only when it is needed: this runs for every token.
    if (entry === undefined) throw new AssertionError(`${requestId} is not in the queue's books`);
    return entry;
  }

  #tenantCount(tenantId: string): number {
    return this.#countOfTenant.get(tenantId) ?? 0;
  }

  #forgetQueued({ spec }: QueuedRequest): void {
    const left = this.#tenantCount(spec.tenantId) - 1;
    assert(left >= 0, `tenant ${spec.tenantId} has ${left} requests waiting`);
    if (left === 0) this.#countOfTenant.delete(spec.tenantId);
    else this.#countOfTenant.set(spec.tenantId, left);
    this.#promptTokens[spec.tier] -= spec.promptTokens.length;
    this.#queuedCount -= 1;
  }
}

/**
 * What of the prompt its tenant pays for: the cached part, and what was computed or is being computed by a step in
 * flight, so that prompts are not computed for nothing by cancelling them in time.
 */
function computedPromptOf(request: LiveRequest, sharedTokens: number) {
  if (request.state === "queued") return { computedTokens: 0, cachedTokens: 0 };
  const { cachedTokens, knownPositions, spec } = request;
  const planned = request.state === "preempted" ? 0 : request.plannedPrefillTokens;
  const reached = Math.min(Math.max(knownPositions, planned), spec.promptTokens.length);
  // A fork counts what it shares as cached.
  return { computedTokens: reached - cachedTokens, cachedTokens: cachedTokens - sharedTokens };
}

const OVER_RATE: ErrorValue = {
  code: "rate_limit_requests",
  message: "The node takes no more requests of this tenant in this minute. Please retry later.",
  param: null,
  retryAfterMs: RETRY_AFTER_FULL_MS,
};

function full(reason: string): ErrorValue {
  const message = `The node's queue is full: ${reason}. Please retry later.`;
  return { code: "overloaded", message, param: null, retryAfterMs: RETRY_AFTER_FULL_MS };
}
