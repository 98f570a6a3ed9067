// Owns which waiting request is next where some wait for their adapters: the one whose turn it is when its adapter is in
// pages, else another one within the slack S. [S-LoRA] sec. 4.2 clusters by adapter at any price; here nobody gets further
// ahead than S. Invariant: who waits for others, for pages or for the bound on distinct adapters, is passed over for a
// bounded time; then nobody joins until it has, so that no adapter is ever starved.
import type { AdapterResidency } from "../adapters/adapter-residency.ts";
import { ADAPTER_PASSED_MS_MAX, ADAPTERS_NEXT_MAX } from "../limits.ts";
import type { WaitingRequest } from "../request/request.ts";
import type { FairQueue } from "./fair-queue.ts";
import type { Tier, TierTurns } from "./tier-turns.ts";

export class AdapterTurns {
  readonly #slackUnits: number;
  /** The request that waits for others, and since when. */
  #blocked: { readonly requestId: string; readonly sinceMs: number } | null = null;

  constructor(slackUnits: number) {
    this.#slackUnits = slackUnits;
  }

  /** Begins the loads that the next requests need. @returns the adapter of the one whose turn it is */
  prepare(parts: {
    readonly waiting: FairQueue;
    readonly turns: TierTurns;
    readonly adapters: AdapterResidency | null;
  }): string | undefined {
    const { adapters } = parts;
    if (adapters === null || adapters.count === 0) return undefined;
    const head = this.#headDigest(parts);
    adapters.prepare(head, adapters.lacksSome ? this.#nextDigests(parts) : []);
    return head;
  }

  /** Who joins next in a tier, if it fits; undefined when nobody may. Changes nothing in the queue. */
  next(
    tier: Tier,
    parts: {
      readonly waiting: FairQueue;
      readonly adapters: AdapterResidency | null;
      readonly nowMs: number;
    },
  ): WaitingRequest | undefined {
    const { waiting, adapters, nowMs } = parts;
    const head = waiting.peek(tier);
    if (head === undefined || adapters === null) return head;
    const { adapter, requestId } = head.spec;
    const readiness = adapter === undefined ? "ready" : adapters.readinessOf(adapter.digest);
    if (readiness === "ready") return head;
    if (readiness === "blocked" && !this.#mayPass(requestId, nowMs)) return undefined;
    const isReady = ({ spec }: WaitingRequest): boolean =>
      spec.adapter === undefined || adapters.readinessOf(spec.adapter.digest) === "ready";
    return waiting.peekWithin(tier, this.#slackUnits, isReady);
  }

  #mayPass(requestId: string, nowMs: number): boolean {
    if (this.#blocked?.requestId !== requestId) this.#blocked = { requestId, sinceMs: nowMs };
    return nowMs - this.#blocked.sinceMs < ADAPTER_PASSED_MS_MAX;
  }

  /** The adapter of the request whose turn it is; undefined: it has none. */
  #headDigest({ waiting, turns }: { readonly waiting: FairQueue; readonly turns: TierTurns }) {
    const tier = turns.order.find((one) => waiting.countOf(one) > 0);
    return tier === undefined ? undefined : waiting.peek(tier)?.spec.adapter?.digest;
  }

  /**
   * Adapters of those whose turns come next, in their order: of those who may join at all, within the slack. Costs some
   * heap operations for each.
   */
  #nextDigests({ waiting, turns }: { readonly waiting: FairQueue; readonly turns: TierTurns }) {
    const digests = new Set<string>();
    const tier = turns.order.find((one) => waiting.countOf(one) > 0);
    if (tier === undefined) return [];
    waiting.peekWithin(tier, this.#slackUnits, ({ spec }) => {
      if (spec.adapter !== undefined) digests.add(spec.adapter.digest);
      return digests.size >= ADAPTERS_NEXT_MAX;
    });
    return [...digests];
  }
}
