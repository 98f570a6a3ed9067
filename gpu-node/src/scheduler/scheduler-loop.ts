// Owns the loop of the engine worker over any engine: take messages in as they come, keep the engine busy while there
// is work, report once per step. Threads, ports and the choice of engine are engine-worker.ts's. Invariants: after
// `run` every accepted request has ended with its counts; nothing is posted after "closed".
import { assert } from "@fairlane/base";
import type { ErrorValue } from "@fairlane/protocol";
import type { Engine } from "../engine/engine.ts";
import type { ResultViews } from "../engine/step-layout.ts";
import { ListReport, type StepReport } from "../engine/step-report.ts";
import { computeUsOf } from "../engine/step-result.ts";
import type {
  EngineRequest,
  FromWorker,
  RequestProgress,
  StepFacts,
  ToWorker,
} from "../engine/worker-messages.ts";
import type { AdapterIntake } from "../adapters/adapter-intake.ts";
import type { AdapterResidency } from "../adapters/adapter-residency.ts";
import { ADAPTER_COPY_STEP_PERCENT, GRANT_LOOK_MS, STEPS_IN_FLIGHT_MAX } from "../limits.ts";
import { raiseGrants } from "../request/output-grant.ts";
import type { Scheduler } from "./scheduler.ts";
import { StepCycle } from "./step.ts";

export interface SchedulerLoopOptions {
  readonly scheduler: Scheduler;
  readonly engine: Engine;
  readonly post: (message: FromWorker) => void;
  /** Takes and posts what steps did; absent: as step messages through `post`. */
  readonly report?: StepReport;
  /** Lets messages that have arrived reach `handle` before the next step. */
  readonly yieldToMessages: () => Promise<void>;
  readonly wait: (ms: number) => Promise<unknown>;
  readonly stuckAfterMs: number;
  /** Takes adapters in; absent: none are served. */
  readonly adapterIntake?: AdapterIntake | undefined;
  /** A clock for the phases of steps, from any origin; absent: they are not timed. */
  readonly nowUs?: () => number;
  /** Steps in flight at most; 1 plans a step only once the one before is settled, for measurements. */
  readonly stepsInFlightMax?: number;
}

export class SchedulerLoop {
  readonly #scheduler: Scheduler;
  readonly #engine: Engine;
  readonly #steps: StepCycle;
  readonly #options: SchedulerLoopOptions;
  readonly #report: StepReport;
  /** Why nothing new is taken; null while requests are welcome. */
  #refusal: ErrorValue | null = null;
  #isClosing = false;
  #reportCount = 0;
  #lastComputeUs = 0;
  #phasesUs = { plan: 0, wait: 0, settle: 0 };
  #wake: (() => void) | null = null;

  constructor(options: SchedulerLoopOptions) {
    this.#options = options;
    this.#report = options.report ?? new ListReport(options.post);
    this.#scheduler = options.scheduler;
    this.#engine = options.engine;
    this.#steps = new StepCycle(options.scheduler, options.engine);
  }

  /** Takes a message of the main thread in, also while a step is in flight. */
  handle(message: ToWorker): void {
    switch (message.type) {
      case "submit":
        for (const request of message.requests) this.#submit(request);
        break;
      case "vocabulary":
        this.#scheduler.parts.grammars.useVocabulary(message.vocabulary);
        break;
      case "cancel":
        this.#tell(this.#scheduler.cancel(message.ids));
        break;
      case "grant":
        raiseGrants(this.#scheduler.parts.table, message.ids, message.grant);
        break;
      case "foreign":
        this.#scheduler.parts.waiting.addForeign(message.charges);
        // Nothing to compute comes of it.
        return;
      case "add-adapter":
        this.#options.adapterIntake?.add(message.adapter);
        return;
      case "remove-adapter":
        this.#options.adapterIntake?.remove(message.digest);
        return;
      case "drain":
        this.#refusal ??= DRAINING;
        break;
      case "close":
        this.#refusal ??= DRAINING;
        this.#isClosing = true;
        break;
    }
    this.#wake?.();
  }

  /** Steps until a "close" or a broken engine, then ends what is left and closes the engine. Never throws. */
  async run(): Promise<void> {
    try {
      while (!this.#isClosing) await this.#stepOrSleep();
      while (this.#steps.inFlightCount > 0) await this.#settleOldest();
      this.#tell(this.#scheduler.endAll(CLOSING));
    } catch (error) {
      this.#fail(error);
    }
    try {
      // Copies move pages of the engine.
      await this.#scheduler.close();
      await this.#engine.close();
    } catch (error) {
      this.#fail(error);
    }
    this.#options.post({ type: "closed" });
  }

  async #stepOrSleep(): Promise<void> {
    this.#tell(this.#scheduler.endExpired());
    const { adapters, adapterTurns } = this.#scheduler.parts;
    const { stepsInFlightMax = STEPS_IN_FLIGHT_MAX } = this.#options;
    const begunUs = this.#nowUs();
    const headDigest = adapterTurns.prepare(this.#scheduler.parts);
    while (this.#steps.inFlightCount < stepsInFlightMax && this.#steps.start());
    this.#phasesUs.plan += this.#nowUs() - begunUs;
    const isBusy = adapters?.isBusy === true;
    this.#copyAdapters(headDigest);
    if (this.#steps.inFlightCount === 0) {
      // What was copied just now may let a request join.
      if (adapters !== null && isBusy) {
        await this.#adapterCame(adapters);
        return;
      }
      if (this.#scheduler.isCopying) {
        // Requests that wait for their pages; messages are heard meanwhile.
        await this.#scheduler.copyEnded();
        return;
      }
      this.#scheduler.checkIntegrity();
      await this.#sleepUntilWork();
      return;
    }
    await this.#settleOldest();
    await this.#options.yieldToMessages();
  }

  async #sleepUntilWork(): Promise<void> {
    if (this.#scheduler.parts.grantWaits.count === 0) {
      assert(!this.#scheduler.hasWork, "requests are live and no step could start");
      return this.#sleep();
    }
    await Promise.race([this.#sleep(), this.#options.wait(GRANT_LOOK_MS)]);
    this.#tell(this.#steps.endUngranted());
  }

  // Beside the steps in flight, which take a little longer for it.
  #copyAdapters(headDigest: string | undefined): void {
    const { adapters } = this.#scheduler.parts;
    const isComputing = this.#steps.inFlightCount > 0;
    const budgetUs = (this.#lastComputeUs * ADAPTER_COPY_STEP_PERCENT) / 100;
    adapters?.copy(headDigest, isComputing ? budgetUs : null);
    this.#tell(this.#scheduler.endLost());
  }

  // Nothing computes: what is copied is copied at once, what is read is awaited, and messages are heard meanwhile.
  async #adapterCame(adapters: AdapterResidency): Promise<void> {
    await Promise.race([adapters.nextMove(), this.#sleep()]);
    await this.#options.yieldToMessages();
  }

  // The step after it computes meanwhile.
  async #settleOldest(): Promise<void> {
    const begunUs = this.#nowUs();
    const result = await this.#waitForStep();
    const doneUs = this.#nowUs();
    this.#steps.settleInto(result, this.#report);
    this.#phasesUs.wait += doneUs - begunUs;
    this.#phasesUs.settle += this.#nowUs() - doneUs;
    this.#lastComputeUs = computeUsOf(result);
    this.#post(this.#lastComputeUs, this.#takeFacts());
  }

  #takeFacts(): StepFacts {
    const { prefillTokenCount, decodeCount } = this.#steps.settledBatch;
    const { tokens: budgetTokens, target } = this.#scheduler.parts.budget;
    const phasesUs = this.#phasesUs;
    this.#phasesUs = { plan: 0, wait: 0, settle: 0 };
    return {
      prefillTokens: prefillTokenCount,
      decodeTokens: decodeCount,
      budgetTokens,
      ...(target && { timeCorrection: target.predictor.correction, targetUs: target.us }),
      phasesUs,
    };
  }

  #nowUs(): number {
    return this.#options.nowUs?.() ?? 0;
  }

  // Waits for the oldest step in flight however long it takes: a native step cannot be stopped from outside. Whoever
  // hears "stuck" may take the node out of service; deadlines in the queue go on being kept.
  async #waitForStep(): Promise<ResultViews> {
    const timeoutMs = this.#options.stuckAfterMs;
    let outcome = await this.#engine.waitStep({ timeoutMs });
    if (outcome.state === "done") return outcome.result;
    this.#options.post({ type: "stuck", stuck: true });
    while (outcome.state === "timeout") {
      this.#tell(this.#scheduler.endExpired());
      outcome = await this.#engine.waitStep({ timeoutMs });
    }
    this.#options.post({ type: "stuck", stuck: false });
    return outcome.result;
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null;
        resolve();
      };
    });
  }

  #submit(request: EngineRequest): void {
    const { requestId } = request;
    const error = this.#refusal ?? this.#scheduler.submit(request);
    if (error !== null) this.#options.post({ type: "refused", requestId, error });
  }

  /** Posts requests that ended between steps. */
  #tell(progress: readonly RequestProgress[]): void {
    for (const ended of progress) this.#report.add(ended);
    this.#post(0);
  }

  /** Posts what was told; nothing when there was no step and nothing to say. */
  #post(computeUs: number, facts?: StepFacts): void {
    if (this.#report.count === 0 && computeUs === 0) return;
    this.#reportCount += 1;
    const stepId = this.#reportCount;
    const { discarded } = this.#steps;
    const { load, preemptions, poolUse: pool } = this.#scheduler;
    const summary = { stepId, computeUs, discarded, preemptions, load, pool };
    this.#report.post(facts === undefined ? summary : { ...summary, facts });
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.#refusal = ENGINE_FAILED;
    this.#tell(this.#scheduler.endAll(ENGINE_FAILED));
    this.#options.post({ type: "failed", message });
  }
}

const DRAINING: ErrorValue = {
  code: "draining",
  message: "The node is going down and takes nothing new. Please retry.",
  param: null,
};

const CLOSING: ErrorValue = {
  code: "draining",
  message: "The node was closed before the request had ended.",
  param: null,
};

const ENGINE_FAILED: ErrorValue = {
  code: "internal_error",
  message: "The node's engine failed.",
  param: null,
};
