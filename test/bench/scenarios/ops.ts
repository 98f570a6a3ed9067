// Owns the scenario "ops": every op of our forward pass on the default model, timed within real steps, beside what the
// host can do: matrices as shares of the int8 peak and of the read rate of DRAM, decodes' attention of the latter.
import {
  BENCH_THREADS,
  measureLimits,
  measureOps,
  openBenchModel,
  type HostLimits,
  type OpTimes,
} from "../cpu-sides.ts";
import type { ScenarioResult } from "../report.ts";

const GIGA_A_SECOND_IN_A_US = 1e3;

/** The metrics of one op at one number of rows. */
export function metricsOf(
  { op, load, rows, us, operations, bytes }: OpTimes["ops"][number],
  limits: Pick<HostLimits, "peak_gops" | "dram_gb_s">,
): Record<string, number> {
  const name = `${load}${rows}_${op}`;
  const metrics: Record<string, number> = { [`${name}_us`]: us };
  if (operations > 0) {
    metrics[`${name}_peak_fraction`] = operations / us / (limits.peak_gops * GIGA_A_SECOND_IN_A_US);
  }
  // A prompt's weights are used many times: its read rate says nothing.
  if (bytes > 0 && load === "decode") {
    metrics[`${name}_read_fraction`] = bytes / us / (limits.dram_gb_s * GIGA_A_SECOND_IN_A_US);
  }
  return metrics;
}

export async function ops(): Promise<ScenarioResult> {
  const model = await openBenchModel();
  const limits = await measureLimits();
  const times = await measureOps(model);
  return {
    scenario: "ops",
    facts: {
      load: "decodes of 1 to 32 sequences after prompts of 128 tokens; prompts of 128 and 512",
      ours: `${times.isa}, attention in ${times.attention}`,
      threads: String(BENCH_THREADS),
      peak: limits.peak_kind,
    },
    metrics: {
      peak_gops: limits.peak_gops,
      dram_gb_s: limits.dram_gb_s,
      ...Object.fromEntries(times.ops.flatMap((one) => Object.entries(metricsOf(one, limits)))),
    },
    peer: { name: "none" },
  };
}
