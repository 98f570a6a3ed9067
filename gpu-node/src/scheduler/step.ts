// Owns one scheduling step: pick -> place -> plan -> submit, and once the engine is done, settle. It waits for
// nothing itself. Invariants: steps settle in the order of submission, and counters change only when settled, so
// they say what the engine computed.
import { assert } from "@fairlane/base";
import type { Engine } from "../engine/engine.ts";
import type { ResultViews } from "../engine/step-layout.ts";
import { writeStepPlan } from "../engine/step-plan.ts";
import { checkStepResult, sampledToken } from "../engine/step-result.ts";
import type { RequestProgress } from "../engine/worker-messages.ts";
import { abort, finish, type RunningRequest } from "../request/request.ts";
import { progressOf } from "../request/request-progress.ts";
import { stopReason } from "../request/stop-condition.ts";
import { Batch, type BatchRow } from "./batch.ts";
import { buildBatch } from "./batch-builder.ts";
import type { Scheduler } from "./scheduler.ts";
import { prefillShareMinTokens } from "./scheduler-parts.ts";
import { joinNext } from "./strict-admission.ts";

const NO_TOKENS: readonly number[] = [];

export class StepCycle {
  readonly #scheduler: Scheduler;
  readonly #engine: Engine;
  readonly #batch: Batch;
  #stepId = 0;

  constructor(scheduler: Scheduler, engine: Engine) {
    this.#scheduler = scheduler;
    this.#engine = engine;
    this.#batch = new Batch(engine.info.slotCount);
  }

  /** The rows of the step in flight, or of the last one. */
  get batch(): Batch {
    return this.#batch;
  }

  /**
   * Submits the next step.
   * @returns false when no request waits or runs
   */
  start(): boolean {
    const { parts } = this.#scheduler;
    const { pool, table, waiting, stepBudgetTokens } = parts;
    assert(!pool.hasStepInFlight, `step ${this.#stepId} is still in flight`);

    // 1. pick: all decodes, then chunks of running prefills; 2. place: new requests, with a slot and pages each
    this.#batch.clear();
    buildBatch(this.#batch, {
      running: table.running,
      stepBudgetTokens,
      prefillShareMinTokens: prefillShareMinTokens(stepBudgetTokens),
      joinNext: () => joinNext(parts),
    });
    if (this.#batch.rowCount === 0) {
      // Every accepted request fits an empty pool, so a queue that does not move is a bug, not load.
      assert(
        waiting.count === 0,
        `${waiting.count} requests wait and none can join an idle engine`,
      );
      return false;
    }

    // One prefill at most is under way and gets the minimum share, so everybody who runs has a row. A cancelled
    // request therefore ends with this very step.
    assert(this.#batch.rowCount === table.running.length, "a running request has no row");

    // 3. plan
    this.#stepId += 1;
    const plan = this.#engine.acquirePlan();
    writeStepPlan(plan, this.#stepId, this.#batch);

    // 4. submit
    pool.stepSubmitted(this.#stepId);
    this.#engine.submitStep(plan);
    return true;
  }

  /** 5. settle: counts what the step computed, ends and moves on requests; throws EngineFault on a bad result. */
  settle(result: ResultViews): RequestProgress[] {
    const { pool, info } = this.#scheduler.parts;
    const batch = this.#batch;
    checkStepResult(result, { stepId: this.#stepId, batch, vocabSize: info.vocabSize });
    pool.stepCompleted(this.#stepId);
    const progress: RequestProgress[] = [];
    for (let index = 0; index < batch.rowCount; index++) {
      const row = batch.row(index);
      const token = row.isSampled ? sampledToken(result, index) : null;
      progress.push(this.#settleRow(row, token));
    }
    return progress;
  }

  #settleRow(row: BatchRow, token: number | null): RequestProgress {
    const { request } = row;
    if (request.state === "prefilling") request.computedPromptTokens += row.tokenCount;
    if (token === null) return this.#goOn(request, NO_TOKENS);
    request.outputTokens += 1;
    const reason = stopReason(request, token);
    // A stop token is counted, since it was computed, and has no text.
    const newTokens = reason === "stop" ? NO_TOKENS : [token];
    if (reason === null) return this.#goOn(request, newTokens);
    return this.#scheduler.end(request, finish(request, reason), newTokens);
  }

  #goOn(request: RunningRequest, newTokens: readonly number[]): RequestProgress {
    if (request.isCancelRequested) {
      return this.#scheduler.end(request, abort(request, null), newTokens);
    }
    if (request.state === "prefilling" && request.outputTokens > 0) {
      this.#scheduler.parts.table.startDecoding(request);
    }
    return progressOf(request, newTokens);
  }
}
