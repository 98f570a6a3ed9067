// Owns how a check engine is set up, and what it says of itself.
import type { EngineInfo } from "../../engine/engine.ts";
import { SIMULATED_HIDDEN_SIZE } from "../../engine/simulated-embeddings.ts";
import { stepCapacityFor } from "../scheduler-parts.ts";

export interface CheckEngineOptions {
  readonly slotCount?: number;
  readonly pageCount?: number;
  readonly pageTokens?: number;
  readonly contextTokens?: number;
  readonly vocabSize?: number;
  readonly stepBudgetTokens?: number;
  readonly adapterSlots?: number;
  /** Windows of the KV groups; one group without a window when absent. */
  readonly windows?: readonly (number | null)[];
  /** false skips reading the context back, for cost measurements: every sample is token 0. */
  readonly readsContext?: boolean;
}

/** What the options make of a check engine. */
export function checkEngineInfo(options: CheckEngineOptions): EngineInfo {
  const { slotCount = 4, pageTokens = 4, stepBudgetTokens = 16, windows = [null] } = options;
  const kvGroupCount = windows.length;
  const capacity = stepCapacityFor({ slotCount, stepBudgetTokens, pageTokens, kvGroupCount });
  return {
    backend: "check",
    numericsClass: "check",
    vocabSize: options.vocabSize ?? 1_000,
    hiddenSize: SIMULATED_HIDDEN_SIZE,
    contextTokens: options.contextTokens ?? 64,
    pageTokens,
    pageBytes: pageTokens * 4,
    pageCount: options.pageCount ?? 64,
    kvGroups: windows.map((windowTokens) => ({
      layers: 1,
      windowTokens,
      pageBytes: pageTokens * 4,
    })),
    slotCount,
    threadCount: 1,
    adapterSlots: options.adapterSlots ?? 16,
    adapterLayout: `check-${pageTokens}`,
    capacity,
  };
}
