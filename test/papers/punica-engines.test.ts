// [Punica] sec. 7, on every engine of this CPU, step by step (punica.test.ts asks a whole node): for each popularity of
// adapters a request says to the bit what it says alone, prompts in chunks beside decodes included, and base rows say what
// they say in an engine without adapters. Unlike with Punica's kernels, ranks and targets differ within a batch.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { randomAdapters, type RandomAdapter } from "../conformance/random-adapters.ts";
import { StepDriver, type RowSpec, type Sample } from "../conformance/step-driver.ts";
import { manifestOf, openKind, runnableKinds, TINY_MODEL } from "../conformance/tiny-engines.ts";
import type { PackedAdapter } from "../../gpu-node/src/engine/adapter-spec.ts";
import type { NativeEngine } from "../../gpu-node/src/engine/native-engine.ts";
import { seededRandom } from "../bench/workload.ts";

const REQUESTS = 12;
const OUTPUT_TOKENS = 6;
const CHUNK_TOKENS = 9;
const NO_ADAPTER = -1;
const ZIPF_EXPONENT = 1.5;

const MODULES = [
  ["q", "k", "v", "o"],
  ["q", "v"],
  ["q", "k", "v", "o", "gate", "up", "down"],
  ["down"],
] as const;

/** As many adapters as requests, of ranks 1 to 64. */
const ADAPTERS = Array.from({ length: REQUESTS }, (_, index): RandomAdapter => {
  const rank = [8, 16, 32, 64, 1, 5][index % 6] ?? 8;
  return { rank, modules: MODULES[index % MODULES.length] ?? [], seed: index + 1 };
});

function zipf(random: () => number): number {
  const weights = ADAPTERS.map((_, index) => (index + 1) ** -ZIPF_EXPONENT);
  let left = random() * weights.reduce((a, b) => a + b, 0);
  const index = weights.findIndex((weight) => (left -= weight) < 0);
  return Math.max(0, index);
}

/** The adapter of each request. */
const WORKLOADS: Readonly<Record<string, readonly number[]>> = (() => {
  const random = seededRandom(7);
  const each = (choose: (request: number) => number): number[] =>
    Array.from({ length: REQUESTS }, (_, request) => choose(request));
  return {
    distinct: each((request) => request),
    uniform: each(() => Math.floor(random() * Math.ceil(Math.sqrt(REQUESTS)))),
    "skewed (Zipf 1.5)": each(() => zipf(random)),
    identical: each(() => 2),
    "mixed with base rows": each((request) => (request % 3 === 0 ? NO_ADAPTER : request)),
  };
})();

function promptOf(request: number): number[] {
  return Array.from({ length: 5 + ((request * 5) % 23) }, (_, i) => (i * 37 + request * 101) % 211);
}

/** All requests in one batch: request r joins at step r, its prompt in chunks. */
async function runTogether(driver: StepDriver, adapters: readonly number[]): Promise<Sample[][]> {
  const said: Sample[][] = adapters.map(() => []);
  const fed = adapters.map(() => 0);
  for (let step = 0; said.some((samples) => samples.length < OUTPUT_TOKENS); step++) {
    const rows = adapters.flatMap((adapterSlot, slot): RowSpec[] => {
      const [prompt, done] = [promptOf(slot), fed[slot] ?? 0];
      if (step < slot || (said[slot]?.length ?? 0) >= OUTPUT_TOKENS) return [];
      if (done >= prompt.length) return [{ slot, tokens: "sampled", adapterSlot }];
      const tokens = prompt.slice(done, done + CHUNK_TOKENS);
      fed[slot] = done + tokens.length;
      return [{ slot, tokens, isSampled: fed[slot] === prompt.length, adapterSlot }];
    });
    const { status, samples } = await driver.step(rows);
    expect(status).toBe(0);
    for (const [slot, sample] of samples) said[slot]?.push(sample);
  }
  return said;
}

describe.each(runnableKinds())("[Punica] on $name", (kind) => {
  let manifest: Awaited<ReturnType<typeof manifestOf>>;
  let files: Awaited<ReturnType<typeof randomAdapters>>;
  let engine: NativeEngine;
  let base: NativeEngine;
  /** By adapter and request, what the request says alone. */
  const alone = new Map<string, Sample[]>();

  beforeAll(async () => {
    manifest = await manifestOf(TINY_MODEL);
    files = await randomAdapters(ADAPTERS);
    const capacity = {
      rows: REQUESTS,
      tokens: 256,
      page_updates: 64,
      sampling_updates: REQUESTS,
      slot_resets: REQUESTS,
      bias_updates: 1,
      top_tokens: REQUESTS * 20,
      copied_pages: 1,
    };
    const sizes = { slotCount: REQUESTS, pageCount: 640, capacity };
    engine = openKind(kind, manifest.path, sizes);
    base = openKind(kind, manifest.path, { ...sizes, adapterSlots: 0 });
    const driver = new StepDriver(engine, pagesFrom(400, 640));
    for (const [slot, spec] of files.specs.entries()) {
      const packed: PackedAdapter = await engine.packAdapter(spec);
      driver.placeAdapter(slot, packed);
    }
  });

  afterAll(async () => {
    await engine.close();
    await base.close();
    await files[Symbol.asyncDispose]();
    await manifest[Symbol.asyncDispose]();
  });

  it.each(Object.entries(WORKLOADS))("says in a batch what each says alone: %s", async (_, own) => {
    const driver = new StepDriver(engine, pagesFrom(0, 400));
    own.forEach((_adapter, slot) => driver.start(slot));
    const together = await runTogether(driver, own);
    for (const [request, adapterSlot] of own.entries()) {
      const key = `${adapterSlot} ${request}`;
      if (!alone.has(key)) {
        // Base rows are compared with an engine that has no adapters at all.
        const single = new StepDriver(
          adapterSlot === NO_ADAPTER ? base : engine,
          pagesFrom(0, 400),
        );
        single.start(0);
        const options = { count: OUTPUT_TOKENS, chunk: 99, adapterSlot };
        alone.set(key, await single.generate(0, promptOf(request), options));
      }
      expect(together[request]).toEqual(alone.get(key));
    }
  });
});

function pagesFrom(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, index) => first + index);
}
