// Owns the main thread's side of the engine worker: its start, the messages both ways and its end. It does not
// interpret progress. Invariant: every submitted request is refused or ends exactly once towards the listeners,
// also when the worker dies without a word.
import { Worker } from "node:worker_threads";
import { assert } from "@fairlane/base";
import type { ErrorValue } from "@fairlane/protocol";
import type { ForeignCharges } from "@fairlane/vtc";
import {
  ENGINE_CLOSE_TIMEOUT_MS,
  ENGINE_LISTENERS_MAX,
  RETRY_AFTER_FULL_MS,
  WORKER_REQUESTS_MAX,
} from "../limits.ts";
import type { Vocabulary } from "../grammar/vocabulary.ts";
import type { OutputGrant } from "../request/output-grant.ts";
import type { EngineInfo } from "./engine.ts";
import { ColumnReader, type PackedStep } from "./step-columns.ts";
import type {
  DiscardedTokens,
  EngineRequest,
  FromWorker,
  RequestProgress,
  StepBudgetFacts,
  ToWorker,
  WorkerOptions,
} from "./worker-messages.ts";

export type EngineListener = (message: FromWorker) => void;

/** What was last heard of a request that has not ended. */
type LastHeard = Pick<RequestProgress, "counts" | "scheduledAtMs">;

/** What the worker is told of adapters. */
export type AdapterMessage = Extract<ToWorker, { type: "add-adapter" | "remove-adapter" }>;

export class EngineHost implements AsyncDisposable {
  readonly #entry: URL;
  readonly #listeners = new Set<EngineListener>();
  readonly #live = new Map<string, LastHeard>();
  #worker: Worker | null = null;
  #exited: Promise<void> = Promise.resolve();
  #lastStepId = 0;
  #discarded: DiscardedTokens = { promptTokens: 0, outputTokens: 0 };
  #hasEnded = false;
  #stepBudget: StepBudgetFacts | null = null;

  /** @param entry the worker's module; only tests and other engines give one */
  constructor(entry: URL = new URL("./engine-worker.ts", import.meta.url)) {
    this.#entry = entry;
  }

  /** How large steps may be; null before the engine is open. */
  get stepBudget(): StepBudgetFacts | null {
    return this.#stepBudget;
  }

  /** Requests handed over that have neither been refused nor ended. */
  get liveCount(): number {
    return this.#live.size;
  }

  /** Starts the worker and opens the engine; rejects with the engine's reason when it cannot be opened. */
  start(options: WorkerOptions): Promise<EngineInfo> {
    assert(this.#worker === null, "the engine host was started before");
    const worker = new Worker(this.#entry, { workerData: options });
    this.#worker = worker;
    const opened = Promise.withResolvers<EngineInfo>();
    const exited = Promise.withResolvers<void>();
    this.#exited = exited.promise;
    const reader = new ColumnReader();
    worker.on("message", (packed: FromWorker | PackedStep) => {
      const message = packed.type === "packed-step" ? reader.read(packed) : packed;
      if (message.type === "opened") {
        this.#stepBudget = message.stepBudget ?? null;
        opened.resolve(message.info);
      }
      if (message.type === "failed") opened.reject(new Error(message.message));
      this.#receive(message);
    });
    // Messages that the worker posted before it died arrive before its exit, but maybe after its error: only the
    // exit says that nothing more will come.
    let errorReason: string | undefined;
    worker.on("error", (error) => {
      errorReason = error instanceof Error ? error.message : String(error);
    });
    worker.on("exit", (code) => {
      const reason = errorReason ?? `the engine worker exited with code ${code}`;
      opened.reject(new Error(reason));
      this.#endWithoutWord(reason);
      exited.resolve();
    });
    return opened.promise;
  }

  /** Calls `listener` with every message from now on; returns the way to stop that. */
  on(listener: EngineListener): () => void {
    assert(this.#listeners.size < ENGINE_LISTENERS_MAX, `over ${ENGINE_LISTENERS_MAX} listeners`);
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Tells the engine's thread the model's tokens, which requests with a grammar need. */
  useVocabulary(vocabulary: Vocabulary): void {
    this.#post({ type: "vocabulary", vocabulary });
  }

  /** Hands requests over; each is answered with "refused" or with progress up to an end. */
  submit(requests: readonly EngineRequest[]): void {
    const taken: EngineRequest[] = [];
    for (const request of requests) {
      const { requestId, promptTokens } = request;
      const refusal = this.#refusalOf(requestId);
      if (refusal !== null) {
        // Never from within submit: the caller may not have noted yet what it submits.
        queueMicrotask(() => this.#emit({ type: "refused", requestId, error: refusal }));
        continue;
      }
      const counts = {
        promptTokens: promptTokens.length,
        cachedTokens: 0,
        computedPromptTokens: 0,
        outputTokens: 0,
      };
      this.#live.set(requestId, { counts, scheduledAtMs: null });
      taken.push(request);
    }
    if (taken.length > 0) this.#post({ type: "submit", requests: taken });
  }

  /** Lets requests have more output; ids that have ended are ignored. */
  grant(ids: readonly string[], grant: OutputGrant): void {
    this.#post({ type: "grant", ids, grant });
  }

  /** Cancels requests; ids that have ended are ignored. */
  cancel(ids: readonly string[]): void {
    const live = ids.filter((id) => this.#live.has(id));
    if (live.length > 0) this.#post({ type: "cancel", ids: live });
  }

  /** Has the worker take an adapter in or forget one. */
  tellAdapter(message: AdapterMessage): void {
    this.#post(message);
  }

  /** Tells the scheduler what other nodes gave tenants. */
  addForeign(charges: ForeignCharges): void {
    this.#post({ type: "foreign", charges });
  }

  /** Lets what is here finish and refuses the rest. */
  drain(): void {
    this.#post({ type: "drain" });
  }

  /** Ends what is left and stops the worker: after its step, or by force when that does not end. Idempotent. */
  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return;
    this.#post({ type: "close" });
    const timer = setTimeout(() => void worker.terminate(), ENGINE_CLOSE_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #refusalOf(requestId: string): ErrorValue | null {
    if (this.#worker === null || this.#hasEnded) {
      return { code: "draining", message: "The node's engine is not running.", param: null };
    }
    if (this.#live.has(requestId)) {
      const message = `Request ${requestId} is being served already.`;
      return { code: "already_exists", message, param: null };
    }
    if (this.#live.size < WORKER_REQUESTS_MAX) return null;
    const message = `The node has ${WORKER_REQUESTS_MAX} requests, as many as may. Please retry later.`;
    return { code: "overloaded", message, param: null, retryAfterMs: RETRY_AFTER_FULL_MS };
  }

  #receive(message: FromWorker): void {
    if (message.type === "refused") this.#live.delete(message.requestId);
    if (message.type === "step") {
      this.#lastStepId = message.stepId;
      this.#discarded = message.discarded;
      for (const { requestId, counts, scheduledAtMs, end } of message.progress) {
        if (end === null) this.#live.set(requestId, { counts, scheduledAtMs });
        else this.#live.delete(requestId);
      }
    }
    // A worker that could still say that it failed may not have got round to ending its requests.
    if (message.type === "failed") return this.#endWithoutWord(message.message);
    if (message.type === "closed") this.#hasEnded = true;
    this.#emit(message);
  }

  /** The worker is gone: ends what it has not answered, with the counts last heard. */
  #endWithoutWord(reason: string): void {
    const error = {
      code: "internal_error",
      message: "The node's engine failed.",
      param: null,
    } as const;
    const end = { reason: "error", error } as const;
    const progress = [...this.#live].map(([requestId, heard]) => {
      return { requestId, newTokens: [], ...heard, end };
    });
    this.#live.clear();
    if (progress.length > 0) {
      this.#lastStepId += 1;
      const load = { running: 0, waiting: 0, pagesFree: 0, pagesTotal: 0 };
      const [stepId, discarded] = [this.#lastStepId, this.#discarded];
      this.#emit({ type: "step", stepId, computeUs: 0, progress, discarded, load });
    }
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#emit({ type: "failed", message: reason });
  }

  #post(message: ToWorker): void {
    if (!this.#hasEnded) this.#worker?.postMessage(message);
  }

  #emit(message: FromWorker): void {
    for (const listener of this.#listeners) listener(message);
  }
}
