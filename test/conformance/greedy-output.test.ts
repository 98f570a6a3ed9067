// Proves on native engines that greedy output is the same whatever the step budget, the batch, the prefix cache and
// preemption: the scheduler that ships serves the same requests in every setting, and says what each says alone.
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../gpu-node/src/engine/engine.ts";
import type { EngineRequest } from "../../gpu-node/src/engine/worker-messages.ts";
import { stepCapacityFor } from "../../gpu-node/src/scheduler/scheduler-parts.ts";
import { Scheduler } from "../../gpu-node/src/scheduler/scheduler.ts";
import { StepCycle } from "../../gpu-node/src/scheduler/step.ts";
import { engineRequest } from "../../gpu-node/src/scheduler/testing/engine-request.ts";
import { HAS_NATIVE_CORE } from "../../gpu-node/src/testing/tiny-node.ts";
import { seededRandom } from "../bench/workload.ts";
import { StepDriver } from "./step-driver.ts";
import {
  manifestOf,
  openKind,
  runnableInt8KvKinds,
  runnableKinds,
  TINY_MODEL,
} from "./tiny-engines.ts";

const SLOTS = 6;
const OUTPUT_TOKENS = 24;
/** Larger than all prompts together: no chunk is ever cut. */
const UNBOUNDED_TOKENS = 4_096;

interface Setting {
  readonly budgetTokens: number;
  readonly pageCount: number;
  readonly isCached: boolean;
}

/** Every budget with and without a cache; 16 pages are too few for six requests, so that some are preempted. */
const SETTINGS: readonly Setting[] = [16, 17, 64, UNBOUNDED_TOKENS].flatMap((budgetTokens) =>
  [320, 16].flatMap((pageCount) =>
    [true, false].map((isCached) => ({ budgetTokens, pageCount, isCached })),
  ),
);

/** Ten prompts, most of which share a beginning. */
function promptsOf(vocabSize: number): number[][] {
  const random = seededRandom(7);
  const tokens = (count: number): number[] =>
    Array.from({ length: count }, () => Math.floor(random() * vocabSize));
  const begin = tokens(70);
  return Array.from({ length: 10 }, (_, index) => [
    ...begin.slice(0, [0, 16, 33, 70][index % 4]),
    ...tokens(1 + 7 * index),
  ]);
}

interface Served {
  readonly outputs: readonly (readonly number[])[];
  readonly preemptionCount: number;
  readonly cachedTokens: number;
}

/** Serves all prompts, with the scheduler that ships and two steps in flight. */
async function serve(
  engine: Engine,
  prompts: readonly number[][],
  setting: Setting,
): Promise<Served> {
  const { budgetTokens: stepBudgetTokens, isCached } = setting;
  const prefixCache = {
    model: { modelDigest: "tiny", ropeConfig: "tiny" },
    sha256: (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("base64"),
  };
  const clock = { nowMs: () => 0 };
  const scheduler = new Scheduler({
    info: engine.info,
    clock,
    stepBudgetTokens,
    prefixCache: isCached ? prefixCache : undefined,
  });
  const steps = new StepCycle(scheduler, engine);
  const outputs = prompts.map((): number[] => []);
  let cachedTokens = 0;
  const requests = prompts.map((promptTokens, index): EngineRequest =>
    engineRequest(String(index), {
      promptTokens,
      maxOutputTokens: OUTPUT_TOKENS,
      tenantSalt: "salt",
    }),
  );
  for (const request of requests) expect(scheduler.submit(request)).toBeNull();
  while (scheduler.hasWork || steps.inFlightCount > 0) {
    while (steps.inFlightCount < 2 && steps.start());
    const outcome = await engine.waitStep({ timeoutMs: 60_000 });
    if (outcome.state === "timeout") throw new Error("a step took a minute");
    for (const { requestId, newTokens, counts, end } of steps.settle(outcome.result)) {
      outputs[Number(requestId)]?.push(...newTokens);
      if (end !== null) cachedTokens += counts.cachedTokens;
    }
  }
  scheduler.checkIntegrity();
  return { outputs, preemptionCount: scheduler.preemptions.recomputeCount, cachedTokens };
}

const kinds = HAS_NATIVE_CORE ? [...runnableKinds(), ...runnableInt8KvKinds()] : [];

describe.each(kinds)("greedy output on $name", (kind) => {
  let manifest: Awaited<ReturnType<typeof manifestOf>>;
  let alone: number[][];
  let prompts: number[][];
  const seen = { preemptionCount: 0, cachedTokens: 0 };

  function open({ budgetTokens, pageCount }: Omit<Setting, "isCached">): Engine {
    const capacity = stepCapacityFor({ slotCount: SLOTS, stepBudgetTokens: budgetTokens });
    return openKind(kind, manifest.path, { slotCount: SLOTS, pageCount, capacity, threadCount: 1 });
  }

  beforeAll(async () => {
    manifest = await manifestOf(TINY_MODEL);
    const engine = open({ budgetTokens: UNBOUNDED_TOKENS, pageCount: 320 });
    prompts = promptsOf(engine.info.vocabSize);
    const driver = new StepDriver(engine);
    alone = [];
    for (const prompt of prompts) {
      driver.start(0);
      const options = { count: OUTPUT_TOKENS, chunk: prompt.length };
      const samples = await driver.generate(0, prompt, options);
      alone.push(samples.map(({ token }) => token));
    }
    await engine.close();
  });
  afterAll(() => manifest[Symbol.asyncDispose]());

  it.each(SETTINGS)(
    "is what each request says alone: budget $budgetTokens, $pageCount pages, cache $isCached",
    async (setting) => {
      const engine = open(setting);
      const { outputs, preemptionCount, cachedTokens } = await serve(engine, prompts, setting);
      await engine.close();
      seen.preemptionCount += preemptionCount;
      seen.cachedTokens += cachedTokens;
      expect(outputs).toEqual(alone);
    },
  );

  it("was compared under preemptions and cache hits", () => {
    expect(seen.preemptionCount).toBeGreaterThan(5);
    expect(seen.cachedTokens).toBeGreaterThan(100);
  });
});
