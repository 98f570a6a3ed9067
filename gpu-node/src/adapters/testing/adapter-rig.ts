// For tests: a scheduler with adapters over the engine that reads every page back, driven step by step. Packed forms lie in
// a temporary folder.
import { hash } from "node:crypto";
import type { AdapterSpec } from "../../engine/adapter-spec.ts";
import type { EngineRequest, RequestProgress } from "../../engine/worker-messages.ts";
import { temporaryFolder } from "../../model/testing/corrupt-copy.ts";
import { Scheduler } from "../../scheduler/scheduler.ts";
import type { SchedulerOptions } from "../../scheduler/scheduler-parts.ts";
import { StepCycle } from "../../scheduler/step.ts";
import type { CheckEngineOptions } from "../../scheduler/testing/check-engine-info.ts";
import { engineRequest, type RequestFields } from "../../scheduler/testing/engine-request.ts";
import { PagedCheckEngine } from "../../scheduler/testing/paged-check-engine.ts";
import { MemorySwap } from "../../scheduler/testing/memory-swap.ts";
import { PackedStore } from "../packed-store.ts";

export interface RigOptions extends CheckEngineOptions {
  readonly distinctCountMax?: number;
  readonly slackUnits?: number;
  /** Memory for packed forms; 0: each load reads its file. */
  readonly hostBytesMax?: number;
  /** From any origin; time stands still when absent. */
  readonly nowUs?: () => number;
  readonly scheduler?: Partial<SchedulerOptions>;
  /** Preempted requests are swapped out. */
  readonly isSwapping?: boolean;
}

/** More than any test needs. */
const ROUNDS_MAX = 100_000;

/** The digest that stands for adapter `index`. */
export function digestOf(index: number): string {
  return index.toString(16).padStart(64, "0");
}

/** An adapter of so many pages: engines that compute nothing take one for each 32 ranks. */
export function specOf(seed: number, pageCount: number): AdapterSpec {
  const tensor = (shape: readonly [number, number]) => {
    return { path: `adapter-${seed}`, offset: 0, dtype: "f32", shape } as const;
  };
  const [a, b] = [tensor([32, 8]), tensor([8, 32])];
  return Array.from({ length: pageCount }, (_, layer) => {
    return { layer, module: "q", rank: 32, scaling: 1, a, b };
  });
}

export class AdapterRig implements AsyncDisposable {
  readonly engine: PagedCheckEngine;
  readonly scheduler: Scheduler;
  readonly steps: StepCycle;
  readonly store: PackedStore;
  readonly clock = { now: 0, nowMs: () => this.clock.now };
  readonly said = new Map<string, number[]>();
  readonly ends = new Map<string, string>();
  readonly cachedTokens = new Map<string, number>();
  /** Digest's last digits and state, in order. */
  readonly moves: string[] = [];
  readonly #folder: AsyncDisposable;
  readonly #swap: MemorySwap;

  private constructor(
    options: RigOptions,
    parts: { engine: PagedCheckEngine; store: PackedStore; folder: AsyncDisposable },
  ) {
    const { engine, store, folder } = parts;
    const { distinctCountMax = 64, slackUnits = 0, stepBudgetTokens = 64 } = options;
    this.#folder = folder;
    this.engine = engine;
    this.store = store;
    this.#swap = new MemorySwap({ engine });
    this.scheduler = new Scheduler({
      info: engine.info,
      clock: this.clock,
      stepBudgetTokens,
      prefixCache: {
        model: { modelDigest: "model", ropeConfig: "rope" },
        sha256: (bytes) => hash("sha256", bytes, "base64"),
      },
      adapters: {
        engine,
        store,
        nowUs: options.nowUs ?? (() => 0),
        distinctCountMax,
        slackUnits,
        onState: (digest, state) => this.moves.push(`${Number.parseInt(digest, 16)} ${state}`),
      },
      swapSpace: options.isSwapping === true ? this.#swap : undefined,
      ...options.scheduler,
    });
    this.steps = new StepCycle(this.scheduler, engine);
  }

  static async make(options: RigOptions = {}): Promise<AdapterRig> {
    const folder = await temporaryFolder();
    const { stepBudgetTokens = 64, hostBytesMax = 1 << 30 } = options;
    const engine = new PagedCheckEngine({ ...options, stepBudgetTokens });
    const { adapterLayout: layout, pageBytes } = engine.info;
    const memoryBytesMax = hostBytesMax;
    const store = await PackedStore.open({
      folder: folder.path,
      layout,
      pageBytes,
      memoryBytesMax,
    });
    return new AdapterRig(options, { engine, store, folder });
  }

  get adapters() {
    const { adapters } = this.scheduler.parts;
    if (adapters === null) throw new Error("the rig has adapters");
    return adapters;
  }

  /** Takes in an adapter of so many pages. */
  async add(index: number, pageCount = 1): Promise<string> {
    const packed = await this.engine.packAdapter(specOf(index, pageCount));
    await this.store.write(digestOf(index), packed);
    this.adapters.add(digestOf(index), packed.pageCount);
    return digestOf(index);
  }

  submit(id: string, adapter: number | null, fields: RequestFields = {}): void {
    const error = this.scheduler.submit(requestOf(id, adapter, fields));
    if (error !== null) throw new Error(`${id} was refused: ${error.message}`);
  }

  /** What the loop does around a step: begins loads, submits, copies pages. */
  start(copies: "all" | "a page" = "all"): boolean {
    const { adapters, adapterTurns } = this.scheduler.parts;
    const head = adapterTurns.prepare(this.scheduler.parts);
    const isStarted = this.steps.start();
    adapters?.copy(head, copies === "all" ? null : 0);
    this.#hear(this.scheduler.endLost());
    return isStarted;
  }

  settle(isChecked = true): void {
    this.#hear(this.steps.settle(this.engine.takeResult()));
    if (isChecked) this.scheduler.checkIntegrity();
  }

  /** Runs until nothing is live. */
  async runToEnd({ isChecked = true } = {}): Promise<void> {
    for (let round = 0; this.scheduler.hasWork || this.steps.inFlightCount > 0; round++) {
      if (round > ROUNDS_MAX) throw new Error("the requests do not end");
      while (this.steps.inFlightCount < 2 && this.start());
      this.#swap.runOne();
      if (this.steps.inFlightCount > 0) this.settle(isChecked);
      else await this.adapters.nextMove();
    }
  }

  /** What each request said, by its id. */
  outputs(): Record<string, number[]> {
    return Object.fromEntries(this.said);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }

  #hear(progress: readonly RequestProgress[]): void {
    for (const { requestId, newTokens, counts, end } of progress) {
      this.said.set(requestId, [...(this.said.get(requestId) ?? []), ...newTokens]);
      this.cachedTokens.set(requestId, counts.cachedTokens);
      if (end !== null) this.ends.set(requestId, end.error?.code ?? end.reason);
    }
  }
}

/** A request with an adapter, or without one. */
export function requestOf(
  id: string,
  adapter: number | null,
  fields: RequestFields = {},
): EngineRequest {
  const own = adapter === null ? {} : { adapter: { digest: digestOf(adapter) } };
  return engineRequest(id, { ...own, ...fields });
}
