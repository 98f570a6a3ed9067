// Owns the engine interface: what the scheduler needs of whatever computes steps (native CPU now; native CUDA
// and the simulated engine plug in here). An engine runs submitted steps in order; it knows slots and pages,
// never requests or tenants.
import type { AdapterSpec, PackedAdapter } from "./adapter-spec.ts";
import type { PlanViews, ResultViews, StepCapacity } from "./step-layout.ts";

/** Layers of a model with the same window, heads and head size: a page holds 16 tokens of one group. */
export interface KvGroup {
  readonly layers: number;
  /** Positions that a query sees, its own included; null: all before it. */
  readonly windowTokens: number | null;
  /** Bytes that the group uses of a page; the rest of EngineInfo.pageBytes is waste. */
  readonly pageBytes: number;
}

/** What an opened engine says of itself. */
export interface EngineInfo {
  /** ISA plug-in or device in use: "generic", "avx2", "avx512vnni". */
  readonly backend: string;
  /** KV type, plug-in, weight panels and attention arithmetic in one printable word; part of cache keys. */
  readonly numericsClass: string;
  readonly vocabSize: number;
  /** Numbers of an embedding. */
  readonly hiddenSize: number;
  readonly contextTokens: number;
  readonly pageTokens: number;
  /** The same for all groups, so that any page can serve any of them. */
  readonly pageBytes: number;
  readonly pageCount: number;
  /** At least one; a page-table update names one by its index. */
  readonly kvGroups: readonly KvGroup[];
  readonly slotCount: number;
  readonly threadCount: number;
  /** Adapters that rows can name at a time; 0: none. */
  readonly adapterSlots: number;
  /** Layout, element type and page size of packed adapters in one printable word; other packed adapters are of no use. */
  readonly adapterLayout: string;
  readonly capacity: StepCapacity;
}

/** How an engine is opened. */
export interface EngineOptions {
  /** Path of the flat tensor manifest. */
  readonly manifestPath: string;
  readonly isa: "auto" | "generic" | "avx2" | "avx512vnni";
  /** f32 computes on de-quantised weights (on generic: the oracle); int8 is the production path. */
  readonly numerics: "int8" | "f32";
  /** Arithmetic of attention with int8; "auto" (the default): what the table of kernels says. */
  readonly attention?: "auto" | "f32" | "bf16";
  /** What K and V are kept in; int8 has a scale per token and head. "f16" (the default) is f32 with the numerics f32. */
  readonly kvType?: "f16" | "int8";
  /** Which of the CPU's kernels serve how many tokens, a file written by `npm run profile`; changes speed alone. */
  readonly kernelsPath?: string | undefined;
  /** What the matrices of adapters are kept in; int8 has a scale for each of a tile's ranks. "f16" is the default. */
  readonly adapterType?: "f16" | "int8";
  /** Adapters that rows can name at a time; ADAPTER_SLOTS when absent. */
  readonly adapterSlots?: number;
  readonly pageCount: number;
  readonly slotCount: number;
  readonly threadCount: number;
  /** Keeps every compute thread on a CPU of its own. */
  readonly pinsThreads?: boolean;
  readonly capacity: StepCapacity;
  /** Keep the logits of every computed position of the last step, for goldens; costs memory. */
  readonly keepLogits?: boolean;
}

export type WaitOutcome =
  { readonly state: "done"; readonly result: ResultViews } | { readonly state: "timeout" };

/** Pages of one KV group, and where their canonical form is: pages.length * canonicalPageBytes(kvGroup) bytes. */
export interface PageMove {
  readonly kvGroup: number;
  readonly pages: Int32Array;
  readonly canonical: Uint8Array;
}

/** Pages of the pool, and images of whole pages: pages.length * EngineInfo.pageBytes bytes. */
export interface PageImages {
  readonly pages: Int32Array;
  readonly images: Uint8Array;
}

/** The table of a packed adapter, and the pages that its images were written to, in their order. */
export interface PlacedAdapter {
  readonly adapterSlot: number;
  readonly table: Int32Array;
  readonly pages: Int32Array;
}

export interface Engine {
  readonly info: EngineInfo;
  /** A plan buffer that no submitted step uses; two exist. Throws when both are in flight. */
  acquirePlan(): PlanViews;
  /**
   * The mask that rows name as `mask_slot` (one for each slot), [maskWords(vocabSize)]: bit t % 32 of word t / 32 set =
   * token t may be sampled. Written by the host, and only while no submitted step names it.
   */
  maskAt(maskSlot: number): Int32Array;
  /**
   * The embedding of a slot whose sampling update asked for one: of unit length, [hiddenSize], and complete once the step
   * with the last of its positions was waited for. The engine's own memory: the slot's next request writes over it.
   */
  embeddingAt(slot: number): Float32Array;
  /** Hands the acquired plan over; returns at once. Steps run in the order of submission. */
  submitStep(plan: PlanViews): void;
  /** Waits for the oldest submitted step. Its result views stay valid until the next waitStep. */
  waitStep(options: { readonly timeoutMs: number }): Promise<WaitOutcome>;
  /** Bytes of a page of a KV group in canonical form, which is the same for every engine (native/ops/move_page.h). */
  canonicalPageBytes(kvGroup: number): number;
  /**
   * Copies pages out. Done when it returns, in the caller's thread, also while steps compute, as long as none of them
   * writes these pages: give it few at a time.
   */
  exportPages(move: PageMove): void;
  /** Copies pages in, likewise, as long as no submitted step reads or writes them. Later steps see what was copied. */
  importPages(move: PageMove): void;
  /**
   * Reads an adapter's matrices and lays them out in page images, on a thread of its own, also while steps compute.
   * Rejects with an AdapterError.
   */
  packAdapter(spec: AdapterSpec): Promise<PackedAdapter>;
  /**
   * Copies page images in. Done when it returns, in the caller's thread, also while steps compute, as long as none of
   * them reads or writes these pages: give it few at a time.
   */
  writePages(images: PageImages): void;
  /**
   * Rows of later plans may name the slot (`row_adapter`) until it is cleared; its pages must stay as they are. Throws
   * when the slot is set, there is none, or the table is not sound or of another layout. A row that names a slot that is
   * not set has its plan refused.
   */
  setAdapter(placed: PlacedAdapter): void;
  /** Frees the slot, not the pages. Only while no submitted step names it: throws otherwise. */
  clearAdapter(adapterSlot: number): void;
  /** Finishes what runs, frees everything native. Idempotent. */
  close(): Promise<void>;
}
