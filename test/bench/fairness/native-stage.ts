// Owns the real CPU engine as a stage for replays: the default model in this process, its pool so small that some ten
// requests fill it, time as it goes by. Invariant: all replays of a run share one engine, with nothing running between.
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { openNativeEngine } from "../../../gpu-node/src/engine/native-engine.ts";
import { openModelOnDisk } from "../../../gpu-node/src/fleet/model-on-disk.ts";
import { cacheFolder } from "../../../gpu-node/src/model/cache-folder.ts";
import { fetchModel } from "../../../gpu-node/src/model/fetch-model.ts";
import { stepCapacityFor } from "../../../gpu-node/src/scheduler/scheduler-parts.ts";
import type { Stage } from "./fair-run.ts";

export const NATIVE_POOL_TOKENS = 640;
const PAGE_TOKENS = 16;
const SLOT_COUNT = 16;
const STEP_BUDGET_TOKENS = 128;

/** Opens the engine; each call of the answer begins a replay at time 0. */
export async function openNativeStage(): Promise<{
  readonly begin: () => Stage;
  readonly close: () => Promise<void>;
}> {
  const cache = cacheFolder(process.env);
  const modelPath = await fetchModel("default", {
    cacheFolder: cache,
    env: process.env,
    onProgress: () => {},
    onNotice: (text) => process.stderr.write(`${text}\n`),
    signal: new AbortController().signal,
  });
  const { manifestPath } = await openModelOnDisk(modelPath, cache);
  const engine = openNativeEngine({
    manifestPath,
    isa: "auto",
    numerics: "int8",
    pageCount: NATIVE_POOL_TOKENS / PAGE_TOKENS,
    slotCount: SLOT_COUNT,
    threadCount: availableParallelism(),
    capacity: stepCapacityFor({ slotCount: SLOT_COUNT, stepBudgetTokens: STEP_BUDGET_TOKENS }),
  });
  const begin = (): Stage => {
    const begunMs = performance.now();
    const nowUs = () => (performance.now() - begunMs) * 1_000;
    return {
      engine,
      stepBudgetTokens: STEP_BUDGET_TOKENS,
      nowUs,
      idleUntil: (atUs) => sleep(Math.max(0, (atUs - nowUs()) / 1_000)),
    };
  };
  return { begin, close: () => engine.close() };
}
