// Owns the engine of the simulator and the planner: it takes the time that a cost model says, on a virtual clock, and
// says deterministic tokens, so that the scheduler that ships can be run against any machine. It computes no model.
// Invariants: steps run one after another; the clock moves in waitStep alone.
import { ADAPTER_SLOTS, PAGE_TOKENS } from "../limits.ts";
import { predictStepUs, type StepCostModel } from "../scheduler/step-cost-model.ts";
import type { AdapterSpec, PackedAdapter } from "./adapter-spec.ts";
import type {
  Engine,
  EngineInfo,
  KvGroup,
  PageImages,
  PageMove,
  PlacedAdapter,
  WaitOutcome,
} from "./engine.ts";
import { SimulatedAdapters } from "./simulated-adapters.ts";
import { SIMULATED_HIDDEN_SIZE, SimulatedEmbeddings } from "./simulated-embeddings.ts";
import { SimulatedMemory } from "./simulated-memory.ts";
import { SimulatedStep } from "./simulated-step.ts";
import {
  layoutBytes,
  PLAN_COLUMNS,
  planViews,
  RESULT_COLUMNS,
  RESULT_HEADER,
  resultViews,
  type PlanViews,
  type ResultViews,
  type StepCapacity,
} from "./step-layout.ts";
import { TokenMasks } from "./token-masks.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** A hash stands for the K and V of a token. */
const PAGE_BYTES = PAGE_TOKENS * Int32Array.BYTES_PER_ELEMENT;

export interface SimulatedEngineOptions {
  readonly clock: VirtualClock;
  readonly cost: StepCostModel;
  readonly vocabSize: number;
  readonly contextTokens: number;
  readonly pageCount: number;
  /** One group without a window when absent. */
  readonly kvGroups?: readonly Pick<KvGroup, "layers" | "windowTokens">[];
  readonly slotCount: number;
  /** ADAPTER_SLOTS when absent. */
  readonly adapterSlots?: number;
  readonly capacity: StepCapacity;
}

interface Flight {
  readonly plan: PlanViews;
  readonly result: ResultViews;
  readonly endUs: number;
}

export class SimulatedEngine implements Engine {
  readonly info: EngineInfo;
  readonly #clock: VirtualClock;
  readonly #cost: StepCostModel;
  readonly #memory: SimulatedMemory;
  readonly #step: SimulatedStep;
  readonly #plans: readonly [PlanViews, PlanViews];
  /** One more than there are plans: the result that was handed out last stays as it is. */
  readonly #results: ResultViews[];
  readonly #masks: TokenMasks;
  readonly #embeddings: SimulatedEmbeddings;
  readonly #adapters: SimulatedAdapters;
  readonly #inFlight: Flight[] = [];
  #busyUntilUs = 0;
  #isWaiting = false;
  #isClosed = false;

  constructor(options: SimulatedEngineOptions) {
    const { clock, cost, vocabSize, contextTokens, pageCount, slotCount, capacity } = options;
    const { kvGroups = [{ layers: 1, windowTokens: null }], adapterSlots = ADAPTER_SLOTS } =
      options;
    const plan = (): PlanViews =>
      planViews(capacity, new ArrayBuffer(layoutBytes(PLAN_COLUMNS, capacity)));
    const result = (): ResultViews =>
      resultViews(capacity, new ArrayBuffer(layoutBytes(RESULT_COLUMNS, capacity)));
    this.info = {
      backend: "simulated",
      numericsClass: "simulated",
      vocabSize,
      hiddenSize: SIMULATED_HIDDEN_SIZE,
      contextTokens,
      pageTokens: PAGE_TOKENS,
      pageBytes: PAGE_BYTES,
      pageCount,
      kvGroups: kvGroups.map((group) => ({ ...group, pageBytes: PAGE_BYTES })),
      slotCount,
      threadCount: 1,
      adapterSlots,
      adapterLayout: `simulated-${PAGE_TOKENS}`,
      capacity: { ...capacity },
    };
    this.#clock = clock;
    this.#cost = cost;
    const sizes = this.info;
    this.#masks = new TokenMasks(sizes);
    this.#memory = new SimulatedMemory(sizes);
    this.#embeddings = new SimulatedEmbeddings(slotCount);
    this.#adapters = new SimulatedAdapters(adapterSlots, {
      pages: { pageCount, pageWords: PAGE_TOKENS, words: this.#memory.hashes },
      submitted: () => this.#inFlight.map((flight) => flight.plan),
    });
    this.#step = new SimulatedStep(sizes, {
      memory: this.#memory,
      masks: this.#masks,
      embeddings: this.#embeddings,
      adapters: this.#adapters,
    });
    this.#plans = [plan(), plan()];
    this.#results = [result(), result(), result()];
  }

  acquirePlan(): PlanViews {
    const free = this.#plans.find((plan) => !this.#isInFlight(plan));
    if (free === undefined)
      throw new Error("Both plan buffers are in flight: wait for a step first");
    return free;
  }

  maskAt(maskSlot: number): Int32Array {
    return this.#masks.at(maskSlot);
  }

  embeddingAt(slot: number): Float32Array {
    return this.#embeddings.at(slot);
  }

  submitStep(plan: PlanViews): void {
    if (this.#isClosed) throw new Error("The engine is closed");
    if (!this.#plans.includes(plan)) {
      throw new Error("The plan does not belong to this engine: use acquirePlan");
    }
    if (this.#isInFlight(plan)) throw new Error("The plan is in flight already");
    const result = this.#results.shift();
    if (result === undefined) throw new Error("No result buffer is free");
    // Steps run in the order of submission, so that what a step says is known at once; when is the clock's matter.
    const shape = this.#step.run(plan, result);
    const computeUs = shape === null ? 0 : Math.round(predictStepUs(this.#cost, shape));
    result.header[RESULT_HEADER.computeUs] = computeUs;
    this.#busyUntilUs = Math.max(this.#busyUntilUs, this.#clock.nowUs) + computeUs;
    this.#inFlight.push({ plan, result, endUs: this.#busyUntilUs });
  }

  async waitStep({ timeoutMs }: { readonly timeoutMs: number }): Promise<WaitOutcome> {
    if (this.#isWaiting) throw new Error("Another waitStep is pending");
    this.#isWaiting = true;
    // The caller may close the engine while it waits.
    await Promise.resolve();
    this.#isWaiting = false;
    if (this.#isClosed) throw new Error("The engine is closed");
    const oldest = this.#inFlight[0];
    if (oldest === undefined) throw new Error("Cannot wait: no step is in flight");
    const deadlineUs = this.#clock.nowUs + timeoutMs * 1_000;
    this.#clock.advanceTo(Math.min(oldest.endUs, deadlineUs));
    if (oldest.endUs > deadlineUs) return { state: "timeout" };
    this.#inFlight.shift();
    // Two others are used before this one again.
    this.#results.push(oldest.result);
    return { state: "done", result: oldest.result };
  }

  canonicalPageBytes(): number {
    return this.info.pageBytes;
  }

  exportPages({ pages, canonical }: PageMove): void {
    this.#memory.exportPages(pages, canonical);
  }

  importPages({ pages, canonical }: PageMove): void {
    this.#memory.importPages(pages, canonical);
  }

  packAdapter(spec: AdapterSpec): Promise<PackedAdapter> {
    return this.#adapters.pack(spec);
  }

  writePages(images: PageImages): void {
    this.#adapters.write(images);
  }

  setAdapter(placed: PlacedAdapter): void {
    this.#adapters.set(placed);
  }

  clearAdapter(adapterSlot: number): void {
    this.#adapters.clear(adapterSlot);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return Promise.resolve();
  }

  #isInFlight(plan: PlanViews): boolean {
    return this.#inFlight.some((flight) => flight.plan === plan);
  }
}
