// Owns the intake and the ends of requests outside of steps: submit, cancel, deadline, shut-down. Steps are
// step.ts's. Invariants: every accepted request ends exactly once; a running request is cancelled with the settling of
// a step that was in flight, so that its pages are free once the step after that one has been settled.
import type { ErrorValue } from "@fairlane/protocol";
import type {
  EngineRequest,
  PoolUse,
  PreemptionTotals,
  RequestProgress,
  WorkerLoad,
} from "../engine/worker-messages.ts";
import { STEP_CACHED_PAGES_MAX } from "../limits.ts";
import type { BlockChain } from "../memory/block-chain.ts";
import { checkPoolIntegrity, type PageHolder } from "../memory/pool-integrity.ts";
import type { SwapTotals } from "../memory/swap-space.ts";
import {
  abort,
  type EndedRequest,
  type LiveRequest,
  type QueuedRequest,
  type RunningRequest,
  type WaitingRequest,
} from "../request/request.ts";
import { isWaiting } from "../request/request-table.ts";
import { heldPositionsOf } from "../request/request-counts.ts";
import { progressOf } from "../request/request-progress.ts";
import { adapterRefusal, boundsOf } from "./adapter-bounds.ts";
import { checkRequest, needsOf } from "./check-request.ts";
import { backlogMsMin, checkDeadline, prefillMsMin } from "./early-abort.ts";
import { cachedBlocks } from "./admission.ts";
import { poolUseOf } from "./pool-use.ts";
import type { PreemptionMode } from "./preemption.ts";
import { makeParts, type SchedulerOptions, type SchedulerParts } from "./scheduler-parts.ts";

const NO_TOKENS: readonly number[] = [];
const NO_SWAP: SwapTotals = { savedBytes: 0, loadedBytes: 0, failureCount: 0 };

export class Scheduler {
  readonly parts: SchedulerParts;
  readonly #preemptions = { recomputeCount: 0, swapCount: 0, recomputedTokens: 0 };
  /** Cancelled while a step was in flight. */
  #cancelled: RunningRequest[] = [];

  constructor(options: SchedulerOptions) {
    this.parts = makeParts(options);
  }

  /** True while a request waits or runs. */
  get hasWork(): boolean {
    return this.parts.table.liveCount > 0;
  }

  /** What preemptions did since the start. */
  get preemptions(): PreemptionTotals {
    const { savedBytes, loadedBytes, failureCount } = this.parts.swapper?.space.totals ?? NO_SWAP;
    return { ...this.#preemptions, savedBytes, loadedBytes, swapFailureCount: failureCount };
  }

  /** True while pages are copied to or from the swap space. */
  get isCopying(): boolean {
    return (this.parts.swapper?.space.copyCount ?? 0) > 0;
  }

  /** Ends copies under way; requests have ended. */
  async close(): Promise<void> {
    await this.parts.swapper?.space.close();
  }

  /** Resolves when a copy under way has ended. */
  async copyEnded(): Promise<void> {
    await this.parts.swapper?.space.copyEnded();
  }

  get load(): WorkerLoad {
    const { table, waiting, pool, fairBoundUnits } = this.parts;
    return {
      running: table.running.length,
      waiting: waiting.count,
      // What the cache keeps for nobody in particular is free to whoever needs it.
      pagesFree: pool.freeCount + pool.idleCachedCount,
      pagesTotal: pool.pageCount,
      fairSpread: waiting.spreadUnits / fairBoundUnits,
    };
  }

  /** Who has the pages. */
  get poolUse(): PoolUse {
    return poolUseOf(this.parts);
  }

  /** Takes a request in; returns the refusal, or null when it waits. */
  submit(request: EngineRequest): ErrorValue | null {
    const { table, waiting, info } = this.parts;
    if (table.get(request.requestId) !== undefined) {
      const message = `Request ${request.requestId} is being served already.`;
      return { code: "already_exists", message, param: null };
    }
    const refusal =
      adapterRefusal(request, this.parts) ??
      checkRequest(request, boundsOf(request, this.parts)) ??
      this.#grammarRefusal(request);
    if (refusal !== null) return refusal;
    const { outputTokensMax } = needsOf(request, info);
    const chain = this.#chainOf(request);
    const timing = this.#timingOf(request, chain);
    const late = checkDeadline(request, timing);
    if (late !== null) return late;
    const latestStartMs = request.deadlineMs - timing.prefillMs;
    const queued: QueuedRequest = {
      state: "queued",
      spec: request,
      outputTokensMax,
      latestStartMs,
      chain,
    };
    const full = waiting.add(queued, timing.nowMs);
    if (full !== null) return full;
    table.addQueued(queued);
    if (request.adapter !== undefined) this.parts.adapters?.want(request.adapter);
    return null;
  }

  /**
   * Cancels requests; unknown ids are those that ended meanwhile. Waiting requests end at once, running ones when
   * the oldest step in flight is settled, or at once when there is none; no later step has a row for them.
   * @returns the progress of those that ended at once
   */
  cancel(ids: readonly string[]): RequestProgress[] {
    const { table, pool } = this.parts;
    const ended: RequestProgress[] = [];
    for (const id of ids) {
      const request = table.get(id);
      if (request === undefined) continue;
      if (isWaiting(request)) ended.push(...this.#endWaiting(request, null));
      else if (pool.hasStepInFlight) this.#requestCancel(request);
      else ended.push(this.end(request, abort(request, null)));
    }
    return ended;
  }

  /** Ends running requests whose cancel was requested and that have not ended with a row. */
  endCancelled(): RequestProgress[] {
    if (this.#cancelled.length === 0) return [];
    const left = this.#cancelled.filter((request) => !request.hasLeft);
    this.#cancelled = [];
    return left.map((request) => this.end(request, abort(request, null)));
  }

  /** Ends queued requests that cannot have their first token by their deadline any more. */
  endExpired(): RequestProgress[] {
    const nowMs = this.parts.clock.nowMs();
    return this.parts.waiting.expired(nowMs).flatMap((request) => {
      const waitedMs = nowMs - request.spec.receivedAtMs;
      const isOver = nowMs >= request.spec.deadlineMs;
      const why = isOver ? "its deadline passed" : "its prefill would end after its deadline";
      const message = `The request waited ${waitedMs} ms in the node's queue and ${why}.`;
      return this.#endWaiting(request, { code: "queue_timeout", message, param: null });
    });
  }

  /** Ends waiting requests whose adapters were lost. */
  endLost(): RequestProgress[] {
    const { adapters, waiting } = this.parts;
    const lost = adapters?.takeFailed();
    if (lost === undefined || lost.size === 0) return [];
    return waiting.requests.flatMap((request) => {
      const reason = lost.get(request.spec.adapter?.digest ?? "");
      if (reason === undefined) return [];
      const message = `The request's adapter cannot be had on this node: ${reason}.`;
      return this.#endWaiting(request, { code: "upstream_error", message, param: "model" });
    });
  }

  /** Ends every request with `error`: the engine is gone or about to be closed. */
  endAll(error: ErrorValue): RequestProgress[] {
    const { table, waiting } = this.parts;
    const ended: RequestProgress[] = [];
    for (const request of waiting.requests) ended.push(...this.#endWaiting(request, error));
    // Forks before what they wait for.
    for (let last = table.running.at(-1); last !== undefined; last = table.running.at(-1)) {
      ended.push(this.end(last, abort(last, error)));
    }
    return ended;
  }

  /** Takes slot and pages from a running request without rows in flight; it joins again before new ones. */
  preempt(request: RunningRequest, mode: PreemptionMode = "recompute"): void {
    const { table, waiting, pool, swapper } = this.parts;
    this.#preemptWaitingForks(request);
    const preempted = table.preempt(request);
    waiting.addPreempted(preempted);
    this.#leaveAdapter(request, "waits");
    if (mode === "swap" && swapper !== null) {
      preempted.ticket = swapper.save(request.blocks, heldPositionsOf(request));
      this.#preemptions.swapCount += 1;
      return;
    }
    request.blocks.release(pool);
    this.#preemptions.recomputeCount += 1;
  }

  /** Notes tokens that a step computed a second time. */
  noteRecomputed(tokens: number): void {
    this.#preemptions.recomputedTokens += tokens;
  }

  /** Forgets a live request that has ended, gives its slot and pages back, and says so. */
  end(
    request: LiveRequest,
    ended: EndedRequest,
    newTokens: readonly number[] = NO_TOKENS,
  ): RequestProgress {
    if (isWaiting(request)) {
      if (request.spec.adapter !== undefined)
        this.parts.adapters?.unwant(request.spec.adapter.digest);
    } else {
      this.#preemptWaitingForks(request);
      request.blocks.release(this.parts.pool);
      this.#leaveAdapter(request, "ends");
    }
    this.parts.table.remove(request);
    this.parts.waiting.ended(request);
    return progressOf(ended, newTokens);
  }

  /** Ends a waiting request, and with it the forks that would have joined with it. */
  #endWaiting(request: WaitingRequest, error: ErrorValue | null): RequestProgress[] {
    const progress = this.end(request, abort(request, error));
    if (request.state === "preempted") {
      if (request.ticket !== null) this.parts.swapper?.drop(request.ticket);
      return [progress];
    }
    const forks = request.spec.forks ?? [];
    return [progress, ...forks.map(({ requestId }) => ({ ...progress, requestId }))];
  }

  /** Forks whose prompt this request will not compute any more wait again, and compute it themselves. */
  #preemptWaitingForks(request: RunningRequest): void {
    if (request.spec.forks === undefined || request.outputTokens > 0) return;
    const { running } = this.parts.table;
    const left = running.filter((fork) => fork.forkOf === request && !fork.isCancelRequested);
    // The first one is to join first.
    for (const fork of left.reverse()) this.preempt(fork);
  }

  /** A request gives its adapter up; one that waits again wants it first, so that it is not forgotten. */
  #leaveAdapter({ spec: { adapter } }: RunningRequest, next: "waits" | "ends"): void {
    const { adapters } = this.parts;
    if (adapter === undefined || adapters === null) return;
    if (next === "waits") adapters.want(adapter);
    adapters.unpin(adapter.digest);
  }

  #grammarRefusal({ grammar, stopTokenIds }: EngineRequest): ErrorValue | null {
    if (grammar === undefined) return null;
    return this.parts.grammars.refusalOf({ grammar, stopTokenIds });
  }

  /** The least times until the request's prefill can begin, and that it takes. */
  #timingOf(request: EngineRequest, chain: BlockChain | undefined) {
    const { tier, promptTokens } = request;
    const cached = cachedBlocks(this.parts, { spec: request, chain }, STEP_CACHED_PAGES_MAX);
    const uncachedTokens = promptTokens.length - cached.blockCount * this.parts.info.pageTokens;
    const { waiting, budget, clock } = this.parts;
    const predictor = budget.target?.predictor ?? null;
    let aheadTokens = waiting.promptTokensOf("interactive");
    if (tier === "batch") aheadTokens += waiting.promptTokensOf("batch");
    return {
      nowMs: clock.nowMs(),
      waitMs: backlogMsMin(predictor, aheadTokens),
      prefillMs: prefillMsMin(predictor, uncachedTokens),
    };
  }

  /** The keys of its blocks, unless it wants none of the prefix cache. */
  #chainOf({ tenantSalt, promptTokens, adapter }: EngineRequest): BlockChain | undefined {
    if (tenantSalt === undefined) return undefined;
    return this.parts.prefixes?.chainOf(tenantSalt, promptTokens, adapter?.digest ?? null);
  }

  #requestCancel(request: RunningRequest): void {
    if (request.isCancelRequested) return;
    request.isCancelRequested = true;
    this.#cancelled.push(request);
  }

  /** Throws when pages are lost or owned wrongly. O(pages): for idle moments and tests. */
  checkIntegrity(): void {
    const { pool, table, prefixes, swapper, adapters } = this.parts;
    const tables: PageHolder[] = table.running.flatMap(({ blocks }: RunningRequest) => [
      blocks,
      { entries: blocks.copies },
    ]);
    if (prefixes !== null) tables.push(prefixes);
    if (adapters !== null) tables.push(adapters);
    if (swapper !== null) tables.push(...swapper.tables);
    checkPoolIntegrity(pool, tables);
  }
}
