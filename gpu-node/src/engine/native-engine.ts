// Owns the Engine over the native addon: which of the two plan and result buffers is whose, and time limits of
// waits. It computes nothing. Invariant: a plan buffer is written by one owner at a time, the scheduler until
// submitStep and nobody from then until its step was claimed.
import { dirname } from "node:path";
import { assert } from "@fairlane/base";
import { ADAPTER_SLOTS } from "../limits.ts";
import type { AdapterSpec, PackedAdapter } from "./adapter-spec.ts";
import type {
  Engine,
  EngineInfo,
  EngineOptions,
  PageImages,
  PageMove,
  PlacedAdapter,
  WaitOutcome,
} from "./engine.ts";
import { nativeAdapterError, nativeAdapterSpec } from "./native-adapter-spec.ts";
import { DEFAULT_ADDON_PATH, loadNativeAddon, type NativeEngineHandle } from "./native-addon.ts";
import {
  planViews,
  resultViews,
  STEP_LAYOUT_VERSION,
  type PlanViews,
  type ResultViews,
} from "./step-layout.ts";
import { SlotEmbeddings } from "./slot-embeddings.ts";
import { TokenMasks } from "./token-masks.ts";

/** EngineOptions plus where the build lies; the default is gpu-node/build. */
export interface NativeEngineOptions extends EngineOptions {
  readonly addonPath?: string;
}

/** The native CPU engine. Belongs to the JavaScript thread that opened it. */
export class NativeEngine implements Engine {
  readonly info: EngineInfo;
  readonly #handle: NativeEngineHandle;
  readonly #plans: readonly [PlanViews, PlanViews];
  readonly #results: readonly [ResultViews, ResultViews];
  readonly #masks: TokenMasks;
  readonly #embeddings: SlotEmbeddings;
  /** Buffer indexes of submitted and unclaimed steps, oldest first; at most two. */
  readonly #inFlight: number[] = [];
  /** The native wait that a timed-out waitStep left behind; the next waitStep takes it over. */
  #pendingWait: Promise<number> | undefined;
  #isWaiting = false;

  constructor(handle: NativeEngineHandle, info: EngineInfo) {
    this.info = info;
    this.#handle = handle;
    const { plans, results, masks, embeddings } = handle;
    this.#masks = new TokenMasks({ ...info, buffer: masks });
    this.#embeddings = new SlotEmbeddings({ ...info, buffer: embeddings });
    this.#plans = [planViews(info.capacity, plans[0]), planViews(info.capacity, plans[1])];
    this.#results = [
      resultViews(info.capacity, results[0]),
      resultViews(info.capacity, results[1]),
    ];
  }

  acquirePlan(): PlanViews {
    const index = [0, 1].find((candidate) => !this.#inFlight.includes(candidate));
    if (index === undefined)
      throw new Error("Both plan buffers are in flight: wait for a step first");
    return this.#planAt(index);
  }

  maskAt(maskSlot: number): Int32Array {
    return this.#masks.at(maskSlot);
  }

  embeddingAt(slot: number): Float32Array {
    return this.#embeddings.at(slot);
  }

  submitStep(plan: PlanViews): void {
    const index = this.#plans.indexOf(plan);
    if (index < 0) throw new Error("The plan does not belong to this engine: use acquirePlan");
    if (this.#inFlight.includes(index)) throw new Error("The plan is in flight already");
    this.#handle.submitStep(index);
    this.#inFlight.push(index);
  }

  async waitStep(options: { readonly timeoutMs: number }): Promise<WaitOutcome> {
    if (this.#isWaiting) throw new Error("Another waitStep is pending");
    this.#isWaiting = true;
    try {
      this.#pendingWait ??= this.#handle.waitStep();
      const index = await withTimeout(this.#pendingWait, options.timeoutMs);
      if (index === undefined) return { state: "timeout" };
      this.#pendingWait = undefined;
      const claimed = this.#inFlight.shift();
      assert(claimed !== undefined, "a step was claimed that was never submitted");
      return { state: "done", result: this.#resultAt(index) };
    } finally {
      this.#isWaiting = false;
    }
  }

  /** Logits of every computed position of the last step, [tokens, vocab]; needs keepLogits and no step in flight. */
  readLogits(): Float32Array {
    // Also between the end of a step and its waitStep, so that a caller cannot depend on being late.
    if (this.#inFlight.length > 0) {
      throw new Error("logits cannot be read while a step is queued or running");
    }
    return this.#handle.readLogits();
  }

  canonicalPageBytes(kvGroup: number): number {
    const group = this.info.kvGroups[kvGroup];
    assert(group !== undefined, `KV group ${kvGroup} of ${this.info.kvGroups.length}`);
    // The same values in another order.
    return group.pageBytes;
  }

  exportPages(move: PageMove): void {
    this.#handle.exportPages(move);
  }

  importPages(move: PageMove): void {
    this.#handle.importPages(move);
  }

  async packAdapter(spec: AdapterSpec): Promise<PackedAdapter> {
    try {
      return await this.#handle.packAdapter(nativeAdapterSpec(spec));
    } catch (error) {
      throw nativeAdapterError(error);
    }
  }

  writePages(images: PageImages): void {
    this.#handle.writePages(images);
  }

  setAdapter(placed: PlacedAdapter): void {
    this.#handle.setAdapter(placed);
  }

  clearAdapter(adapterSlot: number): void {
    this.#handle.clearAdapter(adapterSlot);
  }

  async close(): Promise<void> {
    // A wait that nobody awaits any more is rejected by the close; that is expected.
    this.#pendingWait?.catch(() => {});
    await this.#handle.close();
  }

  #planAt(index: number): PlanViews {
    return index === 0 ? this.#plans[0] : this.#plans[1];
  }

  #resultAt(index: number): ResultViews {
    return index === 0 ? this.#results[0] : this.#results[1];
  }
}

/** Resolves with undefined after `timeoutMs` while `promise` goes on. */
async function withTimeout<T>(promise: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Opens a model: reads and repacks its weights before it returns, which takes about a second per 100 MB. */
export function openNativeEngine(options: NativeEngineOptions): NativeEngine {
  const addonPath = options.addonPath ?? DEFAULT_ADDON_PATH;
  const addon = loadNativeAddon(addonPath);
  if (addon.stepLayoutVersion !== STEP_LAYOUT_VERSION) {
    throw new Error(
      `The native core speaks step layout ${addon.stepLayoutVersion}, this node ${STEP_LAYOUT_VERSION}: run npm run build:native`,
    );
  }
  const handle = addon.openEngine({
    manifestPath: options.manifestPath,
    pluginFolder: dirname(addonPath),
    isa: options.isa,
    numerics: options.numerics,
    attention: options.attention ?? "auto",
    kvType: options.kvType ?? "f16",
    kernelsPath: options.kernelsPath ?? "",
    adapterType: options.adapterType ?? "f16",
    adapterSlots: options.adapterSlots ?? ADAPTER_SLOTS,
    pageCount: options.pageCount,
    slotCount: options.slotCount,
    threadCount: options.threadCount,
    pinsThreads: options.pinsThreads ?? false,
    capacity: options.capacity,
    keepLogits: options.keepLogits ?? false,
  });
  const kvGroups = handle.info.kvGroups.map((group) => ({
    ...group,
    windowTokens: group.windowTokens === 0 ? null : group.windowTokens,
  }));
  return new NativeEngine(handle, { ...handle.info, kvGroups, capacity: { ...options.capacity } });
}
