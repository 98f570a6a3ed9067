// Owns the scenario "lora-scale": tokens a second of 32 concurrent requests over 5 to 2,000 adapters, chosen uniformly, by
// Zipf with 1.5, each only once, or always the same. The pool has room for some 64 of them; all others come from memory
// while steps compute. llama.cpp has no such tiers and no batch of several adapters: lora-tax compares with it.
import { AdapterStage } from "../adapters/adapter-stage.ts";
import { BENCH_THREADS, openBenchModel } from "../cpu-sides.ts";
import type { ScenarioResult } from "../report.ts";
import { seededRandom } from "../workload.ts";

const ADAPTERS = 2_000;
const CONCURRENT = 32;
const PROMPT_TOKENS = 32;
const OUTPUT_TOKENS = 32;
const KIND = { rank: 8, modules: ["q", "v"] } as const;
const RESIDENT = 64;
/** Of 16 tokens, with one to spare for each request. */
const KV_PAGES = CONCURRENT * ((PROMPT_TOKENS + OUTPUT_TOKENS) / 16 + 2);
const ZIPF_EXPONENT = 1.5;
const [FULL_REQUESTS, QUICK_REQUESTS] = [512, 160];

type Popularity = "zipf" | "uniform" | "distinct" | "identical";
const RUNS: readonly (readonly [adapters: number, popularity: Popularity])[] = [
  [5, "zipf"],
  [2_000, "zipf"],
  [5, "uniform"],
  [2_000, "uniform"],
  [100, "zipf"],
  [1_000, "zipf"],
  [2_000, "distinct"],
  [1, "identical"],
];
/** Those that the ratios need. */
const QUICK_RUNS = RUNS.slice(0, 4);

export async function loraScale(options: { readonly isQuick: boolean }): Promise<ScenarioResult> {
  const requests = options.isQuick ? QUICK_REQUESTS : FULL_REQUESTS;
  const model = await openBenchModel();
  await using stage = await AdapterStage.open(model, {
    slotCount: CONCURRENT,
    // Three pages an adapter.
    pageCount: KV_PAGES + RESIDENT * 3,
    kind: KIND,
    hostBytesMax: Number.MAX_SAFE_INTEGER,
  });
  await stage.addAdapters(ADAPTERS);
  const rates: Record<string, number> = {};
  for (const [adapters, popularity] of options.isQuick ? QUICK_RUNS : RUNS) {
    const chosen = choices(adapters, popularity, requests + CONCURRENT);
    // The first ones fill the batch and bring what is popular in.
    await runAll(stage, chosen.slice(0, CONCURRENT));
    const begunMs = performance.now();
    await runAll(stage, chosen.slice(CONCURRENT));
    const seconds = (performance.now() - begunMs) / 1_000;
    rates[`${popularity}_${adapters}_tok_s`] = (requests * OUTPUT_TOKENS) / seconds;
  }
  const ratio = (over: string, under: string): number =>
    (rates[`${over}_tok_s`] ?? NaN) / (rates[`${under}_tok_s`] ?? NaN);
  return {
    scenario: "lora-scale",
    facts: {
      load: `${requests} requests, ${CONCURRENT} at a time, prompts of ${PROMPT_TOKENS} tokens, ${OUTPUT_TOKENS} generated each`,
      adapters: `rank ${KIND.rank} on ${KIND.modules.join(", ")}, ${stage.packed.pageCount} pages each, pool for ${RESIDENT}`,
      ours: stage.engine.info.numericsClass,
      threads: String(BENCH_THREADS),
    },
    metrics: {
      tp2000_over_tp5: ratio("zipf_2000", "zipf_5"),
      tp2000_over_tp5_uniform: ratio("uniform_2000", "uniform_5"),
      ...rates,
    },
    peer: {},
  };
}

/** Serves one request for each choice, CONCURRENT at a time. */
async function runAll(stage: AdapterStage, chosen: readonly number[]): Promise<void> {
  const left = [...chosen].reverse();
  const client = async (): Promise<void> => {
    for (let adapter = left.pop(); adapter !== undefined; adapter = left.pop()) {
      await stage.serve({ adapter, promptTokens: PROMPT_TOKENS, outputTokens: OUTPUT_TOKENS });
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT }, client));
}

function choices(adapters: number, popularity: Popularity, count: number): number[] {
  const random = seededRandom(5);
  const weights = Array.from({ length: adapters }, (_, index) => (index + 1) ** -ZIPF_EXPONENT);
  const total = weights.reduce((a, b) => a + b, 0);
  const zipf = (): number => {
    let left = random() * total;
    return Math.max(
      0,
      weights.findIndex((weight) => (left -= weight) < 0),
    );
  };
  return Array.from({ length: count }, (_, index) => {
    switch (popularity) {
      case "identical":
        return 0;
      case "distinct":
        return index % adapters;
      case "uniform":
        return Math.floor(random() * adapters);
      case "zipf":
        return zipf();
    }
  });
}
