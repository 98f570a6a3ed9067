// Owns the scenario "lora-cold": the time to the first token of a request whose adapter is on disk, over that of one whose
// adapter is in pages plus one load; what that does to streams that run meanwhile; and how the first token's time grows
// when 8, 16 and 64 adapters take turns in a pool with room for 8.
import { medianOf } from "../alternation.ts";
import { AdapterStage } from "../adapters/adapter-stage.ts";
import { BENCH_THREADS, openBenchModel } from "../cpu-sides.ts";
import type { ScenarioResult } from "../report.ts";

const RESIDENT = 8;
const ADAPTERS = 64;
const KIND = { rank: 16, modules: ["q", "k", "v", "o"] } as const;
/** Pages of such an adapter; asserted below. */
const ADAPTER_PAGES = 10;
const STREAMS = 4;
const PROMPT_TOKENS = 32;
const STREAM_TOKENS = 256;
const PROBE_TOKENS = 4;
const KV_PAGES = STREAMS * Math.ceil((PROMPT_TOKENS + STREAM_TOKENS) / 16 + 1) + 4;
const [FULL_PROBES, QUICK_PROBES] = [96, 32];

export async function loraCold(options: { readonly isQuick: boolean }): Promise<ScenarioResult> {
  const probes = options.isQuick ? QUICK_PROBES : FULL_PROBES;
  const model = await openBenchModel();
  await using stage = await AdapterStage.open(model, {
    slotCount: STREAMS + 2,
    pageCount: KV_PAGES + RESIDENT * ADAPTER_PAGES,
    kind: KIND,
    hostBytesMax: 0,
  });
  if (stage.packed.pageCount !== ADAPTER_PAGES) {
    throw new Error(`an adapter of this bench has ${stage.packed.pageCount} pages`);
  }
  await stage.addAdapters(ADAPTERS);
  const loads: number[] = [];
  for (let adapter = 0; adapter < ADAPTERS; adapter++) loads.push(await stage.loadMs(adapter));
  // Alone: the same adapter again and again, then each after so many others that it has left the pool.
  await probe(stage, { adapters: 1, count: 4 });
  const warm = await probe(stage, { adapters: 1, count: probes });
  const cold = await probe(stage, { adapters: ADAPTERS, count: probes });
  const turns: Record<string, number> = {};
  for (const adapters of [8, 16, 64]) {
    await probe(stage, { adapters, count: adapters });
    turns[`ttft_of_${adapters}_ms`] = medianOf(await probe(stage, { adapters, count: probes }));
  }
  // Beside streams: the same requests with one adapter in pages, then each with one on disk.
  const calmMs = await gapsBeside(stage, { adapters: 1, count: probes });
  const loadingMs = await gapsBeside(stage, { adapters: ADAPTERS, count: probes });
  const mean = (values: readonly number[]): number =>
    values.reduce((a, b) => a + b, 0) / values.length;
  const [warmMs, coldMs, loadMs] = [medianOf(warm), medianOf(cold), medianOf(loads)];
  return {
    scenario: "lora-cold",
    facts: {
      adapters: `rank ${KIND.rank} on ${KIND.modules.join(", ")}, ${ADAPTER_PAGES} pages each, on disk, pool for ${RESIDENT}`,
      load: `prompts of ${PROMPT_TOKENS} tokens; streams: ${STREAMS} of ${STREAM_TOKENS} tokens`,
      ours: stage.engine.info.numericsClass,
      threads: String(BENCH_THREADS),
    },
    metrics: {
      cold_ttft_over_warm_plus_load: coldMs / (warmMs + loadMs),
      running_tbt_rise_pct: 100 * (mean(loadingMs) / mean(calmMs) - 1),
      running_tbt_p50_rise_pct: 100 * (medianOf(loadingMs) / medianOf(calmMs) - 1),
      warm_ttft_ms: warmMs,
      cold_ttft_ms: coldMs,
      load_ms: loadMs,
      ...turns,
      tbt_calm_ms: mean(calmMs),
      tbt_loading_ms: mean(loadingMs),
    },
    peer: {},
  };
}

interface Probes {
  /** That take turns. */
  readonly adapters: number;
  readonly count: number;
}

/** One request after another; returns the times to their first tokens. */
async function probe(stage: AdapterStage, { adapters, count }: Probes): Promise<number[]> {
  const firstMs: number[] = [];
  for (let index = 0; index < count; index++) {
    const { tokenMs } = await stage.serve({
      adapter: index % adapters,
      promptTokens: PROMPT_TOKENS,
      outputTokens: PROBE_TOKENS,
    });
    firstMs.push(tokenMs[0] ?? NaN);
  }
  return firstMs;
}

/** Times between tokens of streams without an adapter while such requests come one after another. */
async function gapsBeside(stage: AdapterStage, probes: Probes): Promise<number[]> {
  const request = { adapter: null, promptTokens: PROMPT_TOKENS, outputTokens: STREAM_TOKENS };
  const probing = { isOver: false };
  const gapsMs: number[] = [];
  const stream = async (): Promise<void> => {
    while (!probing.isOver) {
      const { tokenMs } = await stage.serve(request);
      for (let i = 1; i < tokenMs.length; i++)
        gapsMs.push((tokenMs[i] ?? 0) - (tokenMs[i - 1] ?? 0));
    }
  };
  const streams = Array.from({ length: STREAMS }, stream);
  await probe(stage, probes);
  probing.isOver = true;
  await Promise.all(streams);
  return gapsMs;
}
