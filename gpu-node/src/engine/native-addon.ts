// Owns the typed contract of the native addon and its loading. What the addon does with a step is native/'s;
// policy on top of it is native-engine.ts's. Invariant: every misuse of the addon throws a JavaScript Error and
// never stops the process.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { PackedAdapter } from "./adapter-spec.ts";
import type { PageImages, PlacedAdapter } from "./engine.ts";
import type { StepCapacity } from "./step-layout.ts";

/** What the addon needs to open an engine. */
export interface NativeOpenOptions {
  readonly manifestPath: string;
  /** Folder of cpu_generic.so, cpu_avx2.so and cpu_avx512vnni.so. */
  readonly pluginFolder: string;
  readonly isa: "auto" | "generic" | "avx2" | "avx512vnni";
  readonly numerics: "int8" | "f32";
  readonly attention: "auto" | "f32" | "bf16";
  readonly kvType: "f16" | "int8";
  /** File of a table of kernels; "" for the plug-in's own. */
  readonly kernelsPath: string;
  readonly adapterType: "f16" | "int8";
  readonly adapterSlots: number;
  readonly pageCount: number;
  readonly slotCount: number;
  readonly threadCount: number;
  readonly pinsThreads: boolean;
  readonly capacity: StepCapacity;
  readonly keepLogits: boolean;
}

/** What the addon says of an opened engine. */
export interface NativeEngineInfo {
  readonly backend: string;
  readonly numericsClass: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly contextTokens: number;
  readonly pageTokens: number;
  readonly pageBytes: number;
  readonly pageCount: number;
  /** As KvGroup, but for 0 where there is no window. */
  readonly kvGroups: readonly {
    readonly layers: number;
    readonly windowTokens: number;
    readonly pageBytes: number;
  }[];
  readonly slotCount: number;
  readonly threadCount: number;
  readonly adapterSlots: number;
  readonly adapterLayout: string;
}

/** `canonical` holds exactly the bytes of `pages`. */
export interface NativePageMove {
  readonly kvGroup: number;
  readonly pages: Int32Array;
  readonly canonical: Uint8Array;
}

/** An adapter to pack; `modules` has SPEC_NUMBERS numbers for each (native/binding/adapter_calls.cc). */
export interface NativeAdapterSpec {
  readonly paths: readonly string[];
  readonly modules: Float64Array;
}

/** One engine with its launcher thread. Belongs to the JavaScript thread that opened it. */
export interface NativeEngineHandle {
  readonly info: NativeEngineInfo;
  /** Two plan buffers, laid out by PLAN_COLUMNS. */
  readonly plans: readonly [ArrayBuffer, ArrayBuffer];
  /** Two result buffers, laid out by RESULT_COLUMNS. A claimed result lies in one until the next is claimed. */
  readonly results: readonly [ArrayBuffer, ArrayBuffer];
  /** All masks one after another, [slotCount, maskWords(vocabSize)] uint32. */
  readonly masks: ArrayBuffer;
  /** All embeddings one after another, [slotCount, hiddenSize] f32. */
  readonly embeddings: ArrayBuffer;
  /** Queues the plan in buffer `planIndex`; its content is copied before this returns. */
  submitStep(planIndex: number): void;
  /**
   * Claims the oldest unclaimed step once it has run: resolves with the index of its result buffer. One wait at a
   * time; throws when nothing is in flight. Time limits are the caller's (native-engine.ts).
   */
  waitStep(): Promise<number>;
  /** Copies the kept logits of the last claimed step, [tokens, vocab]; throws unless opened with keepLogits. */
  readLogits(): Float32Array;
  /** Copies pages of a KV group to their canonical form (native/ops/move_page.h), one after another. */
  exportPages(move: NativePageMove): void;
  /** The opposite. */
  importPages(move: NativePageMove): void;
  /** Packs in Node's thread pool; rejects with an Error whose `code` is an AdapterErrorCode. */
  packAdapter(spec: NativeAdapterSpec): Promise<PackedAdapter>;
  /** `images` holds exactly the bytes of `pages`. */
  writePages(images: PageImages): void;
  setAdapter(placed: PlacedAdapter): void;
  clearAdapter(adapterSlot: number): void;
  /** Runs what is queued, joins the launcher thread and frees everything. Idempotent. */
  close(): Promise<void>;
}

/** The addon's exports. */
export interface NativeAddon {
  /** Version of the plan and result layout the addon was built with. */
  readonly stepLayoutVersion: number;
  /** ISA plug-ins that this CPU can run, best first; "generic" is always last. */
  readonly supportedIsas: readonly string[];
  /** Opens a model from its manifest: reads and repacks the weights before it returns. */
  openEngine(options: NativeOpenOptions): NativeEngineHandle;
  /** A table of kernels as text: measured now, or what an engine with these options uses. */
  kernelTable(
    options: Pick<
      NativeOpenOptions,
      "pluginFolder" | "isa" | "numerics" | "attention" | "kernelsPath"
    > & { readonly measures: boolean },
  ): string;
}

/** Where the build puts the addon: gpu-node/build/addon.node. */
export const DEFAULT_ADDON_PATH = resolve(
  dirname(fileURLToPath(import.meta.url)),
  "../../build/addon.node",
);

/** Loads the addon; says what to do when it has not been built. */
export function loadNativeAddon(addonPath: string = DEFAULT_ADDON_PATH): NativeAddon {
  if (!existsSync(addonPath)) {
    throw new Error(
      `The native core is not built (${addonPath} is missing): run npm run build:native`,
    );
  }
  return createRequire(import.meta.url)(addonPath) as NativeAddon;
}
