// Owns how the engine is opened for a configuration and a model: sizes that the operator left open are chosen here.
import type { EngineOptions } from "../engine/engine.ts";
import type { WorkerOptions } from "../engine/worker-messages.ts";
import type { NodeConfig } from "../config.ts";
import { kvGroupLayers } from "../model/llama-config.ts";
import type { OpenedModel } from "../model/open-model.ts";
import { stepCapacityFor } from "../scheduler/scheduler-parts.ts";
import { PAGE_TOKENS, STEP_ADAPTIVE_TOKENS_MAX } from "../limits.ts";
import { poolPageCount } from "./capacity.ts";
import type { StepProfileFile } from "./step-profile.ts";

/** What the machine offers this process. */
export interface Machine {
  readonly coreCount: number;
  readonly availableBytes: number;
}

/** Bytes of the K (or V) of one token and KV head: the numerics f32 keep f32, int8 has one f32 scale. */
function kvHeadBytes(config: Pick<NodeConfig, "numerics" | "kvType">, headDim: number): number {
  if (config.numerics === "f32") return 4 * headDim;
  return config.kvType === "int8" ? headDim + 4 : 2 * headDim;
}

/** Worker options for the model whose manifest lies at `manifestPath`. */
export function workerOptions(parts: {
  readonly config: NodeConfig;
  readonly opened: Pick<OpenedModel, "config" | "contextTokens" | "digest">;
  readonly manifestPath: string;
  readonly machine: Machine;
  readonly stepProfile?: StepProfileFile | undefined;
}): WorkerOptions {
  const { config, opened, manifestPath, machine, stepProfile } = parts;
  const { kvHeadCount, headDim } = opened.config;
  const groupLayers = kvGroupLayers(opened.config);
  const kvGroupCount = groupLayers.length;
  // All pages are as large as the largest group's need.
  const layerBytes = 2 * kvHeadCount * kvHeadBytes(config, headDim);
  const kvBytesPerToken = kvGroupCount * Math.max(...groupLayers) * layerBytes;
  const slotCount = config.runningRequestsMax;
  const isFixed = config.stepBudgetTokens !== undefined;
  const { stepBudgetTokens = STEP_ADAPTIVE_TOKENS_MAX } = config;
  const engine: EngineOptions = {
    manifestPath,
    isa: config.isa,
    numerics: config.numerics,
    attention: config.attention,
    kvType: config.kvType,
    kernelsPath: config.kernelsPath,
    adapterType: config.adapters.elementType,
    pageCount:
      config.pageCount ??
      kvGroupCount *
        poolPageCount({
          kvBytesPerToken,
          pageTokens: PAGE_TOKENS,
          contextTokens: opened.contextTokens,
          runningRequestsMax: slotCount,
          availableBytes: machine.availableBytes,
          kvMemoryBytes: config.kvMemoryBytes,
        }),
    slotCount,
    threadCount: config.threadCount ?? machine.coreCount,
    pinsThreads: config.pinsThreads,
    capacity: stepCapacityFor({
      slotCount,
      stepBudgetTokens,
      pageTokens: PAGE_TOKENS,
      kvGroupCount,
    }),
  };
  return {
    engine,
    admission: config.admission,
    fairness: config.fairness,
    ...(config.swapBytes > 0 && {
      swap: { folder: config.swapFolder, bytesMax: config.swapBytes },
    }),
    adapters: {
      folder: config.adapters.cacheFolder,
      hostBytesMax: config.adapters.hostBytesMax,
      distinctCountMax: config.adapters.distinctCountMax,
      slackTokens: config.adapters.slackTokens,
    },
    stepBudgetTokens,
    tbtTargetMs: isFixed ? null : config.tbtTargetMs,
    stepProfile,
    cacheModel: {
      modelDigest: opened.digest,
      // All of the architecture: what turns positions into rotations is part of it, and the rest does no harm.
      ropeConfig: JSON.stringify(opened.config),
    },
  };
}
