// Owns a storm of random requests with cancels, deadlines, a pool that is far too small, and a full queue, against the
// scheduler that ships over any engine, two steps in flight. It checks as it goes. Invariants that it proves: every
// request that was taken ends exactly once; at the end every page is free or unreferenced cache, after a flush free; what
// the steps computed was charged, computed again or discarded; nobody says a token that it would not say alone.
import { createHash } from "node:crypto";
import { assert, type Clock } from "@fairlane/base";
import { UNITS_PER_TOKEN } from "@fairlane/vtc";
import type { Engine } from "../../gpu-node/src/engine/engine.ts";
import type { AdapterResidency } from "../../gpu-node/src/adapters/adapter-residency.ts";
import type { EngineRequest, RequestProgress } from "../../gpu-node/src/engine/worker-messages.ts";
import type { RunningRequest } from "../../gpu-node/src/request/request.ts";
import { Scheduler } from "../../gpu-node/src/scheduler/scheduler.ts";
import { StepCycle } from "../../gpu-node/src/scheduler/step.ts";
import { RequestDraws } from "./request-draws.ts";
import type { StormAdapters } from "./storm-adapters.ts";

export interface StormOptions {
  readonly seed: number;
  readonly requests: number;
  readonly engine: Engine;
  readonly clock: Clock;
  /** Moves a clock that does not move by itself. */
  readonly afterStep?: () => void;
  readonly stepBudgetTokens: number;
  /** Half of the requests run with one of them; none when absent. */
  readonly adapters?: StormAdapters;
  /** What the request would say alone, if that is known without asking the engine. */
  readonly outputAlone?: (request: EngineRequest, count: number) => readonly number[] | null;
}

/** What a storm went through. */
export interface StormCounts {
  ended: number;
  refused: number;
  cancelled: number;
  timedOut: number;
  cachedTokens: number;
  /** Of prompts, taken over by further answers to them. */
  sharedTokens: number;
  evictedBlocks: number;
  /** Absent without adapters. */
  adapterLoads?: number;
  adapterReads?: number;
  adapterEvictions?: number;
  preemptions: number;
  recomputedTokens: number;
  discardedTokens: number;
}

/** A request that ended by itself, and what it said. */
export interface Said {
  readonly request: EngineRequest;
  readonly tokens: readonly number[];
}

interface Taken {
  readonly request: EngineRequest;
  readonly said: number[];
  isCancelled: boolean;
  last: RequestProgress | null;
}

/** The ids of a request's answers, its own first. */
function familyOf({ requestId, forks = [] }: EngineRequest): string[] {
  return [requestId, ...forks.map((fork) => fork.requestId)];
}

const WAITING_MAX = 48;
/** Steps between two looks at all pages: each is O(pages). */
const INTEGRITY_EVERY = 16;

export class RequestStorm {
  readonly counts: StormCounts = {
    ended: 0,
    refused: 0,
    cancelled: 0,
    timedOut: 0,
    cachedTokens: 0,
    sharedTokens: 0,
    evictedBlocks: 0,
    preemptions: 0,
    recomputedTokens: 0,
    discardedTokens: 0,
  };
  /** Greedy requests that ended by themselves. */
  readonly finished: Said[] = [];
  readonly #options: StormOptions;
  readonly #draws: RequestDraws;
  readonly #scheduler: Scheduler;
  readonly #steps: StepCycle;
  readonly #taken = new Map<string, Taken>();
  readonly #planned = { promptTokens: 0, outputTokens: 0 };
  readonly #charged = { promptTokens: 0, outputTokens: 0 };
  /** By step in flight: those that go on after a preemption. Their last output is computed in a chunk, not as a decode. */
  readonly #resumed: RunningRequest[][] = [];
  #resumedTokens = 0;
  #submittedCount = 0;
  /** The adapter that was removed last. */
  #removed = "";
  #settledCount = 0;
  #blocksBefore = 0;

  constructor(options: StormOptions) {
    const { engine, clock, seed, stepBudgetTokens, adapters } = options;
    this.#options = options;
    this.#draws = new RequestDraws(seed, { ...engine.info, adapters: adapters?.digests ?? [] });
    this.#scheduler = new Scheduler({
      info: engine.info,
      clock,
      stepBudgetTokens,
      prefixCache: {
        model: { modelDigest: "storm", ropeConfig: "storm" },
        sha256: (bytes) => createHash("sha256").update(bytes).digest("base64"),
      },
      waitingBounds: {
        requestsMax: WAITING_MAX,
        requestsPerTenantMax: WAITING_MAX / 2,
        promptTokensMax: 1_000_000,
      },
      adapters: adapters && {
        engine,
        store: adapters.store,
        nowUs: () => clock.nowMs() * 1_000,
        distinctCountMax: 3,
        slackUnits: 200 * UNITS_PER_TOKEN,
      },
    });
    this.#steps = new StepCycle(this.#scheduler, engine);
  }

  /** Runs to the end of the last request. */
  async run(): Promise<void> {
    const draws = this.#draws;
    const { residency } = this;
    if (residency !== null) await this.#options.adapters?.addTo(residency);
    while (this.#submittedCount < this.#options.requests) {
      if (draws.chance(0.2)) this.#submit(draws.chance(0.02) ? 60 : draws.below(3) + 1);
      if (draws.chance(0.2)) this.#cancel();
      if (draws.chance(0.002)) this.#flush();
      if (draws.chance(0.004)) await this.#runDry();
      if (residency !== null && draws.chance(0.01)) await this.#removeSome(residency);
      await this.#step();
    }
    await this.#runDry();
    this.#checkEnd();
  }

  get residency(): AdapterResidency | null {
    return this.#scheduler.parts.adapters;
  }

  /** Takes back what was removed, and removes another one. */
  async #removeSome(residency: AdapterResidency): Promise<void> {
    const { adapters } = this.#options;
    if (adapters === undefined) return;
    await adapters.addTo(residency);
    this.#removed = adapters.digests[this.#draws.below(adapters.digests.length)] ?? "";
    residency.remove(this.#removed);
  }

  #submit(count: number): void {
    for (let index = 0; index < count; index++) {
      if (this.#submittedCount >= this.#options.requests) return;
      this.#submittedCount += 1;
      const request = this.#draws.request(this.#options.clock.nowMs());
      const error = this.#scheduler.submit(request);
      if (error === null) {
        for (const id of familyOf(request))
          this.#taken.set(id, { request, said: [], isCancelled: false, last: null });
        continue;
      }
      // More answers than the pool could ever hold at once are a request that cannot be served.
      const isKnown =
        ["overloaded", "queue_timeout"].includes(error.code) ||
        error.param === "n" ||
        error.code === "context_length_exceeded" ||
        (error.code === "model_not_found" && request.adapter?.digest === this.#removed);
      assert(isKnown, `refused with ${error.code}`);
      this.counts.refused += 1;
    }
  }

  /** Of late requests, whatever their state. */
  #cancel(): void {
    const late = Math.max(0, this.#submittedCount - 24);
    const requestId = `req_${late + this.#draws.below(24) + 1}`;
    const taken = this.#taken.get(requestId);
    if (taken === undefined) return;
    const family = familyOf(taken.request);
    const isQueued = this.#scheduler.parts.table.get(requestId)?.state === "queued";
    const one = family[this.#draws.below(family.length)] ?? requestId;
    // Forks of a queued request are not there yet and end with it.
    const cancelled = isQueued ? family : [one];
    for (const id of cancelled) this.#note(id);
    this.#hear(this.#scheduler.cancel(isQueued ? [requestId] : [one]));
  }

  #note(id: string): void {
    const taken = this.#taken.get(id);
    if (taken !== undefined) taken.isCancelled = true;
  }

  #flush(): void {
    this.#scheduler.parts.room.flush();
    this.#blocksBefore = this.#scheduler.parts.prefixes?.blockCount ?? 0;
  }

  async #runDry(): Promise<void> {
    for (let steps = 0; this.#scheduler.hasWork || this.#steps.inFlightCount > 0; steps++) {
      assert(steps < 100_000, "the storm does not end");
      await this.#step();
    }
    this.#scheduler.checkIntegrity();
  }

  async #step(): Promise<void> {
    const { engine, afterStep } = this.#options;
    this.#hear(this.#scheduler.endExpired());
    const { residency } = this;
    const head = this.#scheduler.parts.adapterTurns.prepare(this.#scheduler.parts);
    while (this.#steps.inFlightCount < 2 && this.#steps.start()) this.#notePlanned();
    residency?.copy(head, this.#steps.inFlightCount > 0 ? 0 : null);
    if (this.#steps.inFlightCount === 0) await residency?.nextMove();
    if (this.#steps.inFlightCount > 0) {
      const outcome = await engine.waitStep({ timeoutMs: 60_000 });
      assert(outcome.state === "done", "a step took a minute");
      const resumed = this.#resumed.shift() ?? [];
      this.#resumedTokens += resumed.filter(({ hasLeft }) => !hasLeft).length;
      this.#hear(this.#steps.settle(outcome.result));
      this.#settledCount += 1;
    }
    afterStep?.();
    if (this.#settledCount % INTEGRITY_EVERY === 0) this.#scheduler.checkIntegrity();
    const blockCount = this.#scheduler.parts.prefixes?.blockCount ?? 0;
    if (blockCount < this.#blocksBefore)
      this.counts.evictedBlocks += this.#blocksBefore - blockCount;
    this.#blocksBefore = blockCount;
    if (residency === null) return;
    const { totals } = residency.use;
    this.counts.adapterLoads = totals.loadCount;
    this.counts.adapterReads = totals.readCount;
    this.counts.adapterEvictions = totals.evictedCount;
    assert(totals.failureCount === 0, "an adapter was lost");
  }

  #notePlanned(): void {
    const { batch } = this.#steps;
    const resumed: RunningRequest[] = [];
    for (let index = 0; index < batch.rowCount; index++) {
      const row = batch.row(index);
      if (!row.isDecode && row.isSampled && row.request.outputTokens > 0) resumed.push(row.request);
      if (!row.isDecode) this.#planned.promptTokens += row.tokenCount;
      if (row.isSampled) this.#planned.outputTokens += 1;
    }
    this.#resumed.push(resumed);
  }

  #hear(progress: readonly RequestProgress[]): void {
    for (const item of progress) {
      const taken = this.#taken.get(item.requestId);
      assert(taken !== undefined, `${item.requestId} was never taken`);
      assert(!taken.last?.end, `${item.requestId} goes on after its end`);
      taken.said.push(...item.newTokens);
      taken.last = item;
      if (item.end !== null) this.#ended(taken, item);
    }
  }

  #ended({ request, said, isCancelled }: Taken, { requestId, counts, end }: RequestProgress): void {
    const isFork = requestId !== request.requestId;
    this.counts.ended += 1;
    if (isFork) this.counts.sharedTokens += counts.cachedTokens;
    else this.counts.cachedTokens += counts.cachedTokens;
    this.counts.recomputedTokens += counts.recomputedTokens ?? 0;
    this.#charged.promptTokens += counts.computedPromptTokens;
    this.#charged.outputTokens += counts.outputTokens;
    const { length: promptTokens } = request.promptTokens;
    assert(counts.cachedTokens < promptTokens, `${requestId} took its whole prompt from the cache`);
    const isGreedy = request.sampling.temperature === 0;
    const alone = isGreedy ? this.#options.outputAlone?.(request, said.length) : null;
    if (alone) {
      const [here, there] = [said.join(), alone.join()];
      assert(here === there, `${requestId} said ${here}, alone ${there}`);
    }
    if (end?.reason === "cancelled") {
      assert(isCancelled, `${requestId} was not cancelled`);
      this.counts.cancelled += 1;
    } else if (end?.reason === "error") {
      assert(end.error?.code === "queue_timeout", `${requestId} ended with ${end.error?.code}`);
      assert(counts.outputTokens === 0, `${requestId} timed out after it ran`);
      this.counts.timedOut += 1;
    } else {
      const computed = counts.cachedTokens + counts.computedPromptTokens;
      assert(computed === promptTokens, `${requestId} has ${computed} of its prompt`);
      assert(said.length <= request.maxOutputTokens, `${requestId} says ${said.length}`);
      if (isGreedy) this.finished.push({ request, tokens: said });
    }
  }

  #checkEnd(): void {
    const { pool, room, table, waiting } = this.#scheduler.parts;
    assert(
      this.counts.ended === this.#taken.size,
      `${this.counts.ended} of ${this.#taken.size} ended`,
    );
    assert(table.liveCount === 0 && waiting.count === 0, "requests are left");
    const kept = pool.freeCount + pool.idleCachedCount;
    assert(
      kept === pool.pageCount,
      `${kept} of ${pool.pageCount} pages are free or unreferenced cache`,
    );
    room.flush();
    this.#scheduler.checkIntegrity();
    assert(
      pool.freeCount === pool.pageCount,
      `${pool.freeCount} of ${pool.pageCount} pages are free`,
    );
    this.#checkCounts();
  }

  /** computed = charged + recomputed + discarded */
  #checkCounts(): void {
    const { discarded } = this.#steps;
    const { recomputeCount, recomputedTokens } = this.#scheduler.preemptions;
    this.counts.preemptions = recomputeCount;
    this.counts.discardedTokens = discarded.promptTokens + discarded.outputTokens;
    assert(
      recomputedTokens === this.counts.recomputedTokens,
      `${recomputedTokens} tokens were computed again, requests say ${this.counts.recomputedTokens}`,
    );
    const charged = this.#charged.promptTokens + this.#resumedTokens;
    const chunks = charged + discarded.promptTokens + recomputedTokens;
    const samples = this.#charged.outputTokens + discarded.outputTokens;
    const planned = this.#planned;
    assert(chunks === planned.promptTokens, `chunks: ${chunks} of ${planned.promptTokens} tokens`);
    assert(samples === planned.outputTokens, `samples: ${samples} of ${planned.outputTokens}`);
  }
}
