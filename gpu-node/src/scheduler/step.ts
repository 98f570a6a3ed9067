// Owns the scheduling steps in flight: pick -> place -> plan -> submit, and once the engine is done, settle. A step may
// be submitted while the one before it computes. It waits for nothing itself. Invariants: steps settle in the order of
// submission; computed counters change only when settled, so they say what the engine computed; what a step computed
// for a request that has left is counted as discarded.
import { assert } from "@fairlane/base";
import type { Engine } from "../engine/engine.ts";
import type { ResultViews } from "../engine/step-layout.ts";
import { withLogprobs } from "../engine/result-logprobs.ts";
import { writeStepPlan } from "../engine/step-plan.ts";
import { ProgressList, type ProgressSink } from "../engine/step-report.ts";
import { checkStepResult, computeUsOf, sampledToken } from "../engine/step-result.ts";
import type { DiscardedTokens, RequestProgress } from "../engine/worker-messages.ts";
import { STEPS_IN_FLIGHT_MAX } from "../limits.ts";
import type { PagePool } from "../memory/page-pool.ts";
import { abort, finish, startDecoding, type RunningRequest } from "../request/request.ts";
import { countChunk } from "../request/request-counts.ts";
import { progressOf } from "../request/request-progress.ts";
import { joinNext } from "./admission.ts";
import { Batch, type BatchRow } from "./batch.ts";
import { buildBatch, isPrefillable, type BatchOptions } from "./batch-builder.ts";
import { PlanRoom } from "./plan-room.ts";
import { growPages, swapAhead, type PreemptionMode } from "./preemption.ts";
import { endingOf, pooledEndingOf, type RowEnding } from "./row-ending.ts";
import { hasMask, prepareMasks, writeMasks } from "./row-masks.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SchedulerParts } from "./scheduler-parts.ts";
import type { Tier } from "./tier-turns.ts";

const NO_TOKENS: readonly number[] = [];
const OUT_OF_GRANT: RowEnding = { state: "finished", reason: "length", hasText: false };

export class StepCycle {
  readonly #scheduler: Scheduler;
  readonly #engine: Engine;
  /** Step n has batch n modulo their count, from its start until it has been settled. */
  readonly #batches: readonly Batch[];
  readonly #hasWindows: boolean;
  readonly #discarded = { promptTokens: 0, outputTokens: 0 };
  #submittedStepId = 0;
  #settledStepId = 0;

  constructor(scheduler: Scheduler, engine: Engine) {
    this.#scheduler = scheduler;
    this.#engine = engine;
    this.#hasWindows = engine.info.kvGroups.some(({ windowTokens }) => windowTokens !== null);
    this.#batches = Array.from(
      { length: STEPS_IN_FLIGHT_MAX },
      () => new Batch(engine.info.slotCount),
    );
  }

  /** The rows of the step submitted last. */
  get batch(): Batch {
    return this.#batchOf(this.#submittedStepId);
  }

  /** The rows of the step settled last; they are another step's once the next but one was started. */
  get settledBatch(): Batch {
    return this.#batchOf(this.#settledStepId);
  }

  get inFlightCount(): number {
    return this.#submittedStepId - this.#settledStepId;
  }

  /** What was computed, since the start, for requests that had left meanwhile. */
  get discarded(): DiscardedTokens {
    return { ...this.#discarded };
  }

  /**
   * Submits the next step; at most STEPS_IN_FLIGHT_MAX are in flight.
   * @returns false when nothing can be computed before a step in flight has been settled, or at all
   */
  start(): boolean {
    const { parts } = this.#scheduler;
    const { pool, table, waiting, adapters } = parts;
    assert(this.inFlightCount < STEPS_IN_FLIGHT_MAX, `${this.inFlightCount} steps are in flight`);
    const stepId = this.#submittedStepId + 1;
    const batch = this.#batchOf(stepId);

    // 1. place: pages that running requests come to need, from others if it must be
    const { victimOrder } = parts;
    const preempt = (request: RunningRequest, mode: PreemptionMode): void =>
      this.#scheduler.preempt(request, mode);
    const growth = { parts, victimOrder, preempt };
    if (!growPages(growth) || !swapAhead(growth)) return false;

    // 2. pick: all decodes, then chunks of running prefills, then new requests, with a slot and pages each
    this.#pick(batch);
    if (batch.rowCount === 0) {
      // Every accepted request fits an empty pool, so a queue that does not move is a bug, not load.
      assert(
        this.inFlightCount > 0 ||
          waiting.count + table.running.length === 0 ||
          this.#scheduler.isCopying ||
          parts.grantWaits.count > 0 ||
          adapters?.isBusy === true,
        `${waiting.count} requests wait, ${table.running.length} run and none has a row on an idle engine`,
      );
      return false;
    }

    // 3. plan
    if (this.#hasWindows) slideWindows(batch, pool);
    const plan = this.#engine.acquirePlan();
    writeStepPlan(plan, stepId, batch);
    writeMasks(this.#engine, batch, parts.grammars);

    // 4. submit
    this.#submittedStepId = stepId;
    pool.stepSubmitted(stepId);
    for (let index = batch.decodeCount; index < batch.rowCount; index++) {
      batch.row(index).request.blocks.copiesSubmitted(pool);
    }
    this.#engine.submitStep(plan);
    return true;
  }

  /**
   * 5. settle: counts what the oldest step in flight computed, ends and moves on requests, and tells the sink; throws
   * EngineFault on a bad result.
   */
  settleInto(result: ResultViews, sink: ProgressSink): void {
    const { pool, info, budget } = this.#scheduler.parts;
    assert(this.inFlightCount > 0, "no step is in flight");
    const stepId = this.#settledStepId + 1;
    const batch = this.#batchOf(stepId);
    checkStepResult(result, { stepId, batch, vocabSize: info.vocabSize });
    this.#settledStepId = stepId;
    pool.stepCompleted(stepId);
    budget.target?.predictor.observe(batch.shape, computeUsOf(result));
    this.#chargeOutputs(batch);
    for (let index = 0; index < batch.rowCount; index++) {
      const row = batch.row(index);
      if (row.request.hasLeft) this.#discard(row);
      else this.#settleRow(result, index, sink);
    }
    // Those without a row in this step that were cancelled, or have waited for their grants.
    for (const ended of this.#scheduler.endCancelled()) sink.add(ended);
    for (const ended of this.endUngranted()) sink.add(ended);
  }

  /** Ends answers that no grant came for; between steps only when none is in flight. */
  endUngranted(): RequestProgress[] {
    const over = this.#scheduler.parts.grantWaits.takeOver();
    return over.map((request) => this.#end(request, OUT_OF_GRANT, NO_TOKENS));
  }

  /** settleInto, as a list. */
  settle(result: ResultViews): RequestProgress[] {
    const list = new ProgressList();
    this.settleInto(result, list);
    return list.take();
  }

  #pick(batch: Batch): void {
    const { parts } = this.#scheduler;
    const { table, budget, turns } = parts;
    const tierOrder = turns.order;
    batch.clear();
    const room = new PlanRoom(parts.info);
    prepareMasks(table.running, parts.grammars, this.#submittedStepId + 1);
    buildBatch(batch, {
      running: table.running,
      budget,
      tierOrder,
      hasMask: (request) => hasMask(request, parts.grammars),
      joinNext: this.#joinWithin(room, tierOrder[0]),
      mayBegin: (request) => room.take(request),
    });
    turns.stepBuilt(batchTierOf(batch, parts));
  }

  /** Joins what waits, as long as the plan has room for what it brings. */
  #joinWithin(room: PlanRoom, firstTier: Tier): BatchOptions["joinNext"] {
    const { parts } = this.#scheduler;
    const { waiting, adapterTurns, adapters, clock } = parts;
    return (tier, hasRoomFor) => {
      // Who waits for its turn is not passed by a later tier.
      if (tier !== firstTier && waiting.countOf(firstTier) > 0) return null;
      const head = adapterTurns.next(tier, { waiting, adapters, nowMs: clock.nowMs() });
      if (head === undefined || !room.hasBiasesFor(head.spec)) return null;
      const joined = joinNext(parts, { head, cachedPagesMax: room.pagesLeft, hasRoomFor });
      if (joined === null) return null;
      const isTaken = room.take(joined);
      assert(isTaken, `${joined.spec.requestId} joined without room in the plan`);
      return joined;
    };
  }

  /** Charges tenants for the output of a step, before any of their requests ends with it. */
  #chargeOutputs(batch: Batch): void {
    const { waiting } = this.#scheduler.parts;
    for (let index = 0; index < batch.rowCount; index++) {
      const { request, isSampled } = batch.row(index);
      if (isSampled && !request.hasLeft) waiting.produced(request);
    }
    waiting.settle();
  }

  #batchOf(stepId: number): Batch {
    const batch = this.#batches[stepId % STEPS_IN_FLIGHT_MAX];
    assert(batch !== undefined, `step ${stepId} has no batch`);
    return batch;
  }

  #discard(row: BatchRow): void {
    if (!row.isDecode) this.#discarded.promptTokens += row.tokenCount;
    if (row.isSampled) this.#discarded.outputTokens += 1;
  }

  #settleRow(result: ResultViews, index: number, sink: ProgressSink): void {
    const row = this.#batchOf(this.#settledStepId).row(index);
    const { request } = row;
    const token = row.isSampled ? sampledToken(result, index) : null;
    if (!row.isDecode) this.#countChunk(row);
    this.#publish(row);
    if (request.spec.pooling !== undefined) return this.#settlePooled(request, sink);
    if (token !== null) {
      request.outputTokens += 1;
      request.outputs.add(token);
      request.chain?.append(token);
    }
    const { grammars, grantWaits } = this.#scheduler.parts;
    const ending = endingOf(request, { isSampled: row.isSampled, token }, grammars);
    const isOver = ending !== null;
    if (!isOver) grantWaits.note(request);
    if (!isOver && token !== null && request.state === "prefilling") startDecoding(request);
    const asked = request.spec.sampling.topLogprobs;
    if (!isOver && asked === undefined) {
      sink.goesOn(request, token);
      return;
    }
    const newTokens = token === null || ending?.hasText === false ? NO_TOKENS : [token];
    const progress = isOver
      ? this.#end(request, ending, newTokens)
      : progressOf(request, newTokens);
    sink.add(withLogprobs(progress, asked, { result, row: index }));
  }

  /** A chunk of a prompt whose embedding is wanted. */
  #settlePooled(request: RunningRequest, sink: ProgressSink): void {
    const ending = pooledEndingOf(request);
    if (ending === null) return sink.goesOn(request, null);
    // A copy, since the slot is the next request's.
    const embedding = this.#engine.embeddingAt(request.slot).slice();
    const progress = this.#end(request, ending, NO_TOKENS);
    sink.add(ending.state === "finished" ? { ...progress, embedding } : progress);
  }

  #countChunk(row: BatchRow): void {
    const { request } = row;
    const recomputedBefore = request.recomputedTokens;
    countChunk(request, row);
    this.#scheduler.noteRecomputed(request.recomputedTokens - recomputedBefore);
  }

  /** Full blocks that the row's positions end can serve others from now on. */
  #publish({ request, firstPosition, tokenCount }: BatchRow): void {
    const { prefixes, info } = this.#scheduler.parts;
    if (prefixes === null || request.chain === undefined) return;
    const blockCount = Math.floor((firstPosition + tokenCount) / info.pageTokens);
    if (blockCount * info.pageTokens <= firstPosition) return;
    prefixes.publish(request.chain, request.blocks, blockCount);
  }

  #end(request: RunningRequest, ending: RowEnding, newTokens: readonly number[]): RequestProgress {
    const ended =
      ending.state === "aborted" ? abort(request, ending.error) : finish(request, ending.reason);
    return this.#scheduler.end(request, ended, newTokens);
  }
}

/** Pages that no row sees from here on are free once the steps in flight are done. */
function slideWindows(batch: Batch, pool: PagePool): void {
  for (let index = 0; index < batch.rowCount; index++) {
    const { request, firstPosition } = batch.row(index);
    request.blocks.slideTo(pool, firstPosition);
  }
}

/** Whether the batch tier has prefills that wait for their tokens, and whether it got some in this batch. */
function batchTierOf(batch: Batch, { table, waiting }: SchedulerParts) {
  let gotTokens = false;
  for (let index = batch.decodeCount; index < batch.rowCount; index++) {
    if (batch.row(index).request.spec.tier === "batch") gotTokens = true;
  }
  const isLeft = (request: RunningRequest): boolean =>
    request.spec.tier === "batch" && isPrefillable(request);
  return { gotTokens, hasWork: waiting.countOf("batch") > 0 || table.running.some(isLeft) };
}
