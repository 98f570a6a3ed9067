// Holds the shipping scheduler to saying the same, to the bit, whether requests are recomputed, swapped or left alone:
// greedy, seeded and with penalties, on every native engine that this CPU can run and on the simulated one.
import { hash } from "node:crypto";
import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import type { Engine } from "../../gpu-node/src/engine/engine.ts";
import { SimulatedEngine } from "../../gpu-node/src/engine/simulated-engine.ts";
import { YI_34B } from "../../gpu-node/src/engine/testing/cost-models.ts";
import { VirtualClock } from "../../gpu-node/src/engine/virtual-clock.ts";
import type { SamplingParams } from "../../gpu-node/src/engine/worker-messages.ts";
import { DiskSwap } from "../../gpu-node/src/engine/disk-swap.ts";
import { Scheduler } from "../../gpu-node/src/scheduler/scheduler.ts";
import { stepCapacityFor } from "../../gpu-node/src/scheduler/scheduler-parts.ts";
import { StepCycle } from "../../gpu-node/src/scheduler/step.ts";
import { engineRequest } from "../../gpu-node/src/scheduler/testing/engine-request.ts";
import {
  manifestOf,
  openKind,
  runnableInt8KvKinds,
  runnableKinds,
  TINY_MODEL,
} from "./tiny-engines.ts";

const SLOTS = 5;
const STEP_BUDGET_TOKENS = 48;
/** The longest request needs 9 pages of 16 tokens; all together 33. */
const TIGHT_PAGES = 14;
const AMPLE_PAGES = 64;
const CAPACITY = stepCapacityFor({ slotCount: SLOTS, stepBudgetTokens: STEP_BUDGET_TOKENS });

type OpenEngine = (pageCount: number) => Promise<Engine>;

const GREEDY: SamplingParams = { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0 };
const SEEDED: SamplingParams = { temperature: 0.9, topP: 0.95, topK: 40, seedLow: 7, seedHigh: 1 };
const PENALISED = { repetitionPenalty: 1.2, frequencyPenalty: 0.3, presencePenalty: 0.2 };

/** Requests that differ in length, sampling and use of the prefix cache. */
const REQUESTS = [
  { promptTokens: 40, outputTokens: 90, sampling: GREEDY, tenantSalt: "a" },
  { promptTokens: 7, outputTokens: 90, sampling: SEEDED, tenantSalt: "a" },
  { promptTokens: 33, outputTokens: 70, sampling: { ...SEEDED, ...PENALISED }, tenantSalt: "a" },
  { promptTokens: 50, outputTokens: 60, sampling: { ...GREEDY, minTokens: 3 }, tenantSalt: "b" },
  { promptTokens: 21, outputTokens: 60, sampling: { ...SEEDED, minP: 0.02, topLogprobs: 2 } },
] as const;

interface Setting {
  readonly pageCount: number;
  readonly swaps?: boolean;
}

function openSwap(engine: Engine): Promise<DiskSwap> {
  const nowMs = (): number => performance.now();
  return DiskSwap.open({ engine, folder: tmpdir(), bytesMax: 2 ** 26, nowMs });
}

interface Said {
  readonly tokens: number[][];
  readonly logprobs: number[];
}

/** What every request says when all are served with so many pages, and a swap file or none. */
async function serve(open: OpenEngine, { pageCount, swaps = false }: Setting) {
  const engine = await open(pageCount);
  const swapSpace = swaps ? await openSwap(engine) : undefined;
  const scheduler = new Scheduler({
    info: engine.info,
    clock: { nowMs: () => 0 },
    stepBudgetTokens: STEP_BUDGET_TOKENS,
    swapSpace,
    prefixCache: {
      model: { modelDigest: "model", ropeConfig: "rope" },
      sha256: (bytes) => hash("sha256", bytes, "base64"),
    },
  });
  const steps = new StepCycle(scheduler, engine);
  const said: Said = { tokens: REQUESTS.map(() => []), logprobs: [] };
  REQUESTS.forEach(({ promptTokens, outputTokens, ...fields }, index) => {
    const prompt = Array.from(
      { length: promptTokens },
      (_, at) => (at * at * 3 + index * 29) % 211,
    );
    const request = { ...fields, promptTokens: prompt, maxOutputTokens: outputTokens };
    expect(scheduler.submit(engineRequest(String(index), request))).toBeNull();
  });
  while (scheduler.hasWork || steps.inFlightCount > 0) {
    while (steps.inFlightCount < 2 && steps.start());
    if (steps.inFlightCount === 0) {
      await scheduler.copyEnded();
      continue;
    }
    const outcome = await engine.waitStep({ timeoutMs: 60_000 });
    if (outcome.state !== "done") throw new Error("timeout");
    for (const { requestId, newTokens, logprobs } of steps.settle(outcome.result)) {
      said.tokens[Number(requestId)]?.push(...newTokens);
      said.logprobs.push(...(logprobs ?? []).map(({ logprob }) => logprob));
    }
    scheduler.checkIntegrity();
  }
  await scheduler.close();
  await engine.close();
  expect(scheduler.load).toMatchObject({ pagesFree: pageCount });
  return { said, preemptions: scheduler.preemptions };
}

async function expectSameWhenPreempted(open: OpenEngine): Promise<void> {
  const ample = await serve(open, { pageCount: AMPLE_PAGES });
  const tight = await serve(open, { pageCount: TIGHT_PAGES });
  const swapped = await serve(open, { pageCount: TIGHT_PAGES, swaps: true });
  expect(ample.preemptions.recomputeCount).toBe(0);
  expect(tight.preemptions.recomputeCount).toBeGreaterThan(2);
  expect(ample.said.tokens.map(({ length }) => length)).toEqual([90, 90, 70, 60, 60]);
  expect(tight.said).toEqual(ample.said);
  expect(swapped.preemptions.swapCount).toBeGreaterThan(0);
  expect(swapped.preemptions.loadedBytes).toBeGreaterThan(0);
  expect(swapped.preemptions.swapFailureCount).toBe(0);
  expect(swapped.said).toEqual(ample.said);
}

describe("preempted requests", () => {
  for (const kind of [...runnableKinds(), ...runnableInt8KvKinds()]) {
    it(`say the same to the bit on ${kind.name}`, async () => {
      await using manifest = await manifestOf(TINY_MODEL);
      const sizes = { slotCount: SLOTS, capacity: CAPACITY };
      await expectSameWhenPreempted((pageCount) =>
        Promise.resolve(openKind(kind, manifest.path, { ...sizes, pageCount })),
      );
    });
  }

  it("say the same on the simulated engine", async () => {
    await expectSameWhenPreempted((pageCount) => {
      const engine = new SimulatedEngine({
        clock: new VirtualClock(),
        cost: YI_34B,
        vocabSize: 1_000,
        contextTokens: 256,
        pageCount,
        slotCount: SLOTS,
        capacity: CAPACITY,
      });
      return Promise.resolve(engine);
    });
  });
});
