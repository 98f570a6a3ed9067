// Runs storms of random requests on the simulated and on the native engine over the tiny model: a few hundred here, ten
// thousand each with `npm run test:long`. A failure names its seed; FAIRLANE_STORM_SEED=N runs it again.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isLongRun } from "@fairlane/testkit";
import { describe, expect, it } from "vitest";
import { adapterSpecOf } from "../../gpu-node/src/adapters/adapter-intake.ts";
import { readAdapter } from "../../gpu-node/src/adapters/read-adapter.ts";
import { specOf } from "../../gpu-node/src/adapters/testing/adapter-rig.ts";
import {
  ALL_LINEAR,
  TINY_BASE,
  writePeft,
} from "../../gpu-node/src/adapters/testing/peft-folder.ts";
import type { AdapterSpec, PackedAdapter } from "../../gpu-node/src/engine/adapter-spec.ts";
import { mix } from "../../gpu-node/src/engine/simulated-memory.ts";
import { SimulatedEngine } from "../../gpu-node/src/engine/simulated-engine.ts";
import { NONE } from "../../gpu-node/src/engine/step-layout.ts";
import { VirtualClock } from "../../gpu-node/src/engine/virtual-clock.ts";
import type { EngineRequest } from "../../gpu-node/src/engine/worker-messages.ts";
import { stepCapacityFor } from "../../gpu-node/src/scheduler/scheduler-parts.ts";
import { temporaryFolder } from "../../gpu-node/src/model/testing/corrupt-copy.ts";
import type { StepCostModel } from "../../gpu-node/src/scheduler/step-cost-model.ts";
import { HAS_NATIVE_CORE } from "../../gpu-node/src/testing/tiny-node.ts";
import { RequestStorm, type Said } from "./request-storm.ts";
import { StormAdapters } from "./storm-adapters.ts";
import { StepDriver } from "./step-driver.ts";
import {
  manifestOf,
  openKind,
  runnableInt8KvKinds,
  runnableKinds,
  TINY_MODEL,
  type EngineKind,
} from "./tiny-engines.ts";

const SLOTS = 8;
const BUDGET_TOKENS = 48;
/** Of 16 tokens: two and a half of the longest requests, so that slots are seldom what is short. */
const PAGES = 40;
const CONTEXT_TOKENS = 256;
/** Each ends in a few steps of virtual time, so that deadlines of up to 60 ms are sometimes missed. */
const COST: StepCostModel = {
  floorUs: 1_000,
  baseUs: 0,
  tokenUs: 30,
  kneeTokens: 0,
  kneeUs: 0,
  decodeUs: 0,
  contextUs: 0,
  pairUs: 0,
};
const capacity = stepCapacityFor({ slotCount: SLOTS, stepBudgetTokens: BUDGET_TOKENS });
const LONG_RUN_MS = 600_000;

/** Seeds of this run: fixed ones, or new ones with every long run. */
function seeds(): number[] {
  const given = process.env["FAIRLANE_STORM_SEED"];
  if (given !== undefined) return [Number(given)];
  return isLongRun() ? [Date.now() % 2 ** 31] : [1, 2];
}

/** The first native engine with every seed, and the fastest with KV in int8 with one. */
function nativeRuns(): { kind: EngineKind; seed: number }[] {
  if (!HAS_NATIVE_CORE) return [];
  const [first] = runnableKinds();
  const int8 = runnableInt8KvKinds().at(-1);
  const [seed] = seeds();
  if (!first || !int8 || seed === undefined) throw new Error("this CPU runs no engine");
  return [...seeds().map((each) => ({ kind: first, seed: each })), { kind: int8, seed }];
}

const REQUESTS = isLongRun() ? 10_000 : 600;

/** What the simulated engine makes a greedy request say: a hash of all before each token, as its adapter sees it. */
function simulatedOutput(
  { promptTokens, adapter }: EngineRequest,
  count: number,
  engine: { readonly vocabSize: number; readonly adapters?: StormAdapters },
) {
  const packed = engine.adapters?.packed.get(adapter?.digest ?? "");
  const see = packed === undefined ? (token: number) => token : seenThrough(packed);
  let hash = 0;
  for (const token of promptTokens) hash = mix(hash, see(token));
  return Array.from({ length: count }, () => {
    const token = (mix(hash, 0) >>> 0) % engine.vocabSize;
    hash = mix(hash, see(token));
    return token;
  });
}

/** An adapter is its hash, and reads it again from each page. */
function seenThrough({ table, pageCount }: PackedAdapter): (token: number) => number {
  const [hash = 0] = table;
  const read = Array.from({ length: pageCount }, () => hash).reduce(mix, hash);
  return (token) => mix(token, read);
}

/** Six adapters of one to four pages. */
const SIMULATED_ADAPTERS = [1, 2, 3, 4, 1, 2].map((pageCount, index) => specOf(index, pageCount));

/** Four adapters of several ranks for the tiny model, from PEFT's files. */
async function tinyAdapters(folder: string): Promise<AdapterSpec[]> {
  const specs: AdapterSpec[] = [];
  for (const [index, rank] of [4, 8, 12, 16].entries()) {
    const path = join(folder, String(index));
    await mkdir(path);
    await writePeft(path, { targets: ALL_LINEAR, rank, alpha: 4 * rank, seed: index, scale: 1 });
    specs.push(adapterSpecOf(await readAdapter(path, TINY_BASE)));
  }
  return specs;
}

/** Runs it; returns what never happened: then it proves less than it says. */
async function runStorm(seed: number, storm: RequestStorm): Promise<string[]> {
  try {
    await storm.run();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`FAIRLANE_STORM_SEED=${seed}: ${why}`, { cause });
  }
  process.stdout.write(`storm ${seed}: ${JSON.stringify(storm.counts)}\n`);
  const { discardedTokens, ...counts } = storm.counts;
  // Rare: a cancel or a stop token must come while a later step is in flight with the request's row.
  const happened = isLongRun() ? { ...counts, discardedTokens } : counts;
  return Object.entries(happened).flatMap(([what, count]) => (count > 0 ? [] : [what]));
}

describe("a storm of random requests", () => {
  it.each(seeds())(
    "leaves every page free or unreferenced cache on the simulated engine, seed %i",
    async (seed) => {
      const vocabSize = 512;
      const clock = new VirtualClock();
      const sizes = { slotCount: SLOTS, pageCount: PAGES, contextTokens: CONTEXT_TOKENS };
      const engine = new SimulatedEngine({ clock, cost: COST, vocabSize, capacity, ...sizes });
      const storm = new RequestStorm({
        seed,
        requests: REQUESTS,
        engine,
        clock,
        afterStep: () => clock.advanceTo(clock.nowUs + 100),
        stepBudgetTokens: BUDGET_TOKENS,
        outputAlone: (request, count) => simulatedOutput(request, count, { vocabSize }),
      });
      expect(await runStorm(seed, storm)).toEqual([]);
    },
    LONG_RUN_MS,
  );

  it.each(seeds())(
    "with adapters that come and go, on the simulated engine, seed %i",
    async (seed) => {
      const vocabSize = 512;
      const clock = new VirtualClock();
      const sizes = { slotCount: SLOTS, pageCount: PAGES, contextTokens: CONTEXT_TOKENS };
      const engine = new SimulatedEngine({ clock, cost: COST, vocabSize, capacity, ...sizes });
      await using adapters = await StormAdapters.make(engine, SIMULATED_ADAPTERS);
      const storm = new RequestStorm({
        seed,
        requests: REQUESTS,
        engine,
        clock,
        adapters,
        afterStep: () => clock.advanceTo(clock.nowUs + 100),
        stepBudgetTokens: BUDGET_TOKENS,
        outputAlone: (request, count) => simulatedOutput(request, count, { vocabSize, adapters }),
      });
      expect(await runStorm(seed, storm)).toEqual([]);
    },
    LONG_RUN_MS,
  );

  it.skipIf(!HAS_NATIVE_CORE).each(seeds())(
    "with adapters that come and go, on the native engine, and nobody's words changed, seed %i",
    async (seed) => {
      const [kind] = runnableKinds();
      if (kind === undefined) throw new Error("this CPU runs no engine");
      await using manifest = await manifestOf(TINY_MODEL);
      await using folder = await temporaryFolder();
      const sizes = { slotCount: SLOTS, pageCount: PAGES + 12, capacity, threadCount: 1 };
      const engine = openKind(kind, manifest.path, sizes);
      await using adapters = await StormAdapters.make(engine, await tinyAdapters(folder.path));
      let nowMs = 0;
      const storm = new RequestStorm({
        seed,
        requests: REQUESTS,
        engine,
        clock: { nowMs: () => nowMs },
        adapters,
        afterStep: () => (nowMs += 1),
        stepBudgetTokens: BUDGET_TOKENS,
      });
      expect(await runStorm(seed, storm)).toEqual([]);
      await engine.close();
      const alone = new StepDriver(openKind(kind, manifest.path, { threadCount: 1 }));
      for (const [slot, packed] of [...adapters.packed.values()].entries())
        alone.placeAdapter(slot, packed);
      const slots = new Map(adapters.digests.map((digest, slot) => [digest, slot]));
      for (const said of sample(storm.finished, 40)) await checkAlone(alone, said, slots);
      await alone.engine.close();
    },
    LONG_RUN_MS,
  );

  it.skipIf(!HAS_NATIVE_CORE).each(nativeRuns())(
    "leaves every page free or unreferenced cache on the native engine, and nobody's words changed, $kind.name, seed $seed",
    async ({ kind, seed }) => {
      await using manifest = await manifestOf(TINY_MODEL);
      const sizes = { slotCount: SLOTS, pageCount: PAGES, capacity, threadCount: 1 };
      const engine = openKind(kind, manifest.path, sizes);
      let nowMs = 0;
      const storm = new RequestStorm({
        seed,
        requests: REQUESTS,
        engine,
        clock: { nowMs: () => nowMs },
        afterStep: () => (nowMs += 1),
        stepBudgetTokens: BUDGET_TOKENS,
      });
      expect(await runStorm(seed, storm)).toEqual([]);
      await engine.close();
      const alone = openKind(kind, manifest.path, { threadCount: 1 });
      for (const said of sample(storm.finished, 40)) await checkAlone(new StepDriver(alone), said);
      await alone.close();
    },
    LONG_RUN_MS,
  );
});

function sample<T>(items: readonly T[], count: number): T[] {
  const every = Math.max(1, Math.floor(items.length / count));
  return items.filter((_, index) => index % every === 0);
}

/** Computes the request again, alone and unchunked. */
async function checkAlone(
  driver: StepDriver,
  { request, tokens }: Said,
  adapterSlots: ReadonlyMap<string, number> = new Map(),
): Promise<void> {
  if (tokens.length === 0) return;
  driver.start(0);
  const prompt = [...request.promptTokens];
  const chunk = prompt.length;
  const adapterSlot = adapterSlots.get(request.adapter?.digest ?? "") ?? NONE;
  const options = { count: tokens.length, chunk, adapterSlot };
  const samples = await driver.generate(0, prompt, options);
  expect(samples.map(({ token }) => token)).toEqual(tokens);
}
