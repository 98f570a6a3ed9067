// Owns the scenario "lora-tax": what adapters cost 32 decoding sequences: one for all, one of its own for each, on
// attention alone and on all linear layers, in f16 and int8, of one rank and of several; what rows without one pay beside
// them; and llama.cpp on the same file, which computes rows of distinct adapters one after another.
import { alternate } from "../alternation.ts";
import { BENCH_THREADS, openBenchModel, startLora, startLoraPeer } from "../cpu-sides.ts";
import type { LineProcess } from "../line-process.ts";
import type { ScenarioResult } from "../report.ts";

const SEQUENCES = 32;
const SHAPE = { sequences: SEQUENCES, tokensPerSequence: 64 };
/** Prompts are computed before the clock starts. */
const LOAD = `${SEQUENCES} 16 32`;
/** The peer decodes one row at a time: fewer steps say as much. */
const PEER_LOAD = `${SEQUENCES} 16 4`;

const ATTENTION = { modules: "qkvo", ranks: "16" };
const ALL_LINEAR = { modules: "qkvogud", ranks: "16" };

export async function loraTax(options: { readonly isQuick: boolean }): Promise<ScenarioResult> {
  const startedMs = performance.now();
  const model = await openBenchModel();
  const started: LineProcess[] = [];
  const start = async (side: Promise<LineProcess>): Promise<LineProcess> => {
    started.push(await side);
    return side;
  };
  try {
    const attention = await start(startLora(model, SHAPE, ATTENTION));
    const linear = await start(startLora(model, SHAPE, ALL_LINEAR));
    const int8 = await start(startLora(model, SHAPE, { ...ALL_LINEAR, adapterType: "int8" }));
    const mixed = await start(startLora(model, SHAPE, { ...ATTENTION, ranks: "8,16,32,64" }));
    const peer = await start(startLoraPeer(model, SHAPE, ATTENTION));
    const sides = {
      base: () => attention.run(`decode ${LOAD} base`),
      one: () => attention.run(`decode ${LOAD} one`),
      distinct: () => attention.run(`decode ${LOAD} distinct`),
      half: () => attention.run(`decode ${LOAD} half`),
      linear: () => linear.run(`decode ${LOAD} distinct`),
      int8: () => int8.run(`decode ${LOAD} distinct`),
      mixed: () => mixed.run(`decode ${LOAD} distinct`),
      peer: () => peer.run(`decode ${PEER_LOAD} distinct`),
    };
    const { tokensPerSecond: rate, rounds } = await alternate(sides, { ...options, startedMs });
    return {
      scenario: "lora-tax",
      facts: {
        load: `${SEQUENCES} sequences, prompts of 16 tokens, 32 generated each; rank 16 where not said otherwise`,
        ours: String(attention.greeting["numerics_class"]),
        peer: `llama-cpp-python ${String(peer.greeting["version"])}, one decode for each row`,
        threads: String(BENCH_THREADS),
      },
      metrics: {
        distinct32_over_base: rate.distinct / rate.base,
        distinct32_all_linear_over_base: rate.linear / rate.base,
        distinct32_all_linear_int8_over_base: rate.int8 / rate.base,
        distinct32_mixed_ranks_over_base: rate.mixed / rate.base,
        one_adapter_over_base: rate.one / rate.base,
        base_rows_tax_pct: baseRowsTaxPercent(rate),
        ratio_peer_distinct: rate.distinct / rate.peer,
        base_tok_s: rate.base,
        distinct32_tok_s: rate.distinct,
        distinct32_all_linear_tok_s: rate.linear,
        peer_distinct_tok_s: rate.peer,
        rounds,
      },
      peer: { name: "llama-cpp-python", version: String(peer.greeting["version"]) },
    };
  } finally {
    await Promise.all(started.map((side) => side.stop()));
  }
}

/**
 * What steps of half base rows and half rows with adapters take longer than the mean of steps of one kind: it can only be
 * the base rows that pay more beside others, or the others.
 */
function baseRowsTaxPercent(rate: {
  readonly base: number;
  readonly distinct: number;
  readonly half: number;
}): number {
  const mean = (1 / rate.base + 1 / rate.distinct) / 2;
  return 100 * (1 / rate.half / mean - 1);
}
