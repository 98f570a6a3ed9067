// Owns the scenarios "cpu-prefill", "cpu-decode" and "cpu-batch": our engine and llama.cpp on the same cores, in turns, on
// the same file and on the peer's best format, beside what the host can do at all.
import { alternate } from "../alternation.ts";
import {
  BENCH_THREADS,
  measureLimits,
  openBenchModel,
  startSides,
  type BenchModel,
  type HostLimits,
  type SideShape,
} from "../cpu-sides.ts";
import type { ScenarioResult } from "../report.ts";

const GIGA = 1e9;

interface Load {
  readonly scenario: "cpu-prefill" | "cpu-decode" | "cpu-batch";
  readonly what: string;
  /** The line that every side obeys. */
  readonly command: string;
  readonly shape: SideShape;
  /** Shares of the host's limits that `tokensPerSecond` of ours are. */
  readonly fractions: (
    tokensPerSecond: number,
    model: BenchModel,
    limits: HostLimits,
  ) => Readonly<Record<string, number>>;
}

const LOADS: readonly Load[] = [
  {
    scenario: "cpu-prefill",
    what: "one prompt of 512 tokens",
    command: "prefill 512",
    shape: { sequences: 1, tokensPerSequence: 512 },
    // Logits are computed for the prompt's last token only.
    fractions: (tokensPerSecond, { linearMacs, headMacs }, limits) => ({
      peak_fraction:
        (tokensPerSecond * 2 * (linearMacs + headMacs / 512)) / (limits.peak_gops * GIGA),
    }),
  },
  {
    scenario: "cpu-decode",
    what: "one stream, prompt of 16 tokens, 64 generated",
    command: "decode 1 16 64",
    shape: { sequences: 1, tokensPerSequence: 80 },
    fractions: (tokensPerSecond, { weightBytes }, limits) => ({
      peak_fraction: (tokensPerSecond * weightBytes) / (limits.dram_gb_s * GIGA),
      cache_fraction: (tokensPerSecond * weightBytes) / (limits.cache_gb_s * GIGA),
    }),
  },
  {
    scenario: "cpu-batch",
    what: "32 sequences, prompts of 128 tokens, 64 generated each",
    command: "decode 32 128 64",
    shape: { sequences: 32, tokensPerSequence: 192 },
    fractions: (tokensPerSecond, { linearMacs, headMacs }, limits) => ({
      peak_fraction: (tokensPerSecond * 2 * (linearMacs + headMacs)) / (limits.peak_gops * GIGA),
    }),
  },
];

async function run(load: Load, isQuick: boolean): Promise<ScenarioResult> {
  const startedMs = performance.now();
  const model = await openBenchModel();
  const limits = await measureLimits();
  const { ours, peer, best } = await startSides(model, load.shape);
  try {
    const sides = {
      ours: () => ours.run(load.command),
      peer: () => peer.run(load.command),
      best: () => best.run(load.command),
    };
    const { tokensPerSecond, rounds } = await alternate(sides, { isQuick, startedMs });
    return {
      scenario: load.scenario,
      facts: {
        load: load.what,
        ours: String(ours.greeting["numerics_class"]),
        peer: `llama-cpp-python ${String(peer.greeting["version"])}`,
        threads: String(BENCH_THREADS),
        peak: limits.peak_kind,
      },
      metrics: {
        ours_tok_s: tokensPerSecond.ours,
        peer_tok_s: tokensPerSecond.peer,
        peer_best_tok_s: tokensPerSecond.best,
        ratio: tokensPerSecond.ours / tokensPerSecond.peer,
        ratio_best: tokensPerSecond.ours / tokensPerSecond.best,
        ...load.fractions(tokensPerSecond.ours, model, limits),
        rounds,
        peak_gops: limits.peak_gops,
        dram_gb_s: limits.dram_gb_s,
        cache_gb_s: limits.cache_gb_s,
        open_s: Number(ours.greeting["open_seconds"]),
        resident_mib: Number(ours.greeting["resident_bytes"]) / 2 ** 20,
      },
      peer: {
        name: "llama-cpp-python",
        version: String(peer.greeting["version"]),
        best_format: "Q4_0",
      },
    };
  } finally {
    await Promise.all([ours.stop(), peer.stop(), best.stop()]);
  }
}

/** The CPU scenarios by name. */
export const CPU_SCENARIOS = Object.fromEntries(
  LOADS.map((load) => [
    load.scenario,
    (options: { readonly isQuick: boolean }) => run(load, options.isQuick),
  ]),
);
