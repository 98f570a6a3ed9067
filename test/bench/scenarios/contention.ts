// Owns the scenario "contention": how much slower a prefill gets when another process takes one core, quiet and contended
// runs in turns.
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { alternate } from "../alternation.ts";
import { BENCH_THREADS, openBenchModel, startOurs } from "../cpu-sides.ts";
import type { LineProcess, Timing } from "../line-process.ts";
import type { ScenarioResult } from "../report.ts";

const COMMAND = "prefill 512";
/** What a competitor needs to be at full speed. */
const COMPETITOR_START_MS = 200;

/** One run while a process of its own computes without end. */
async function contended(ours: LineProcess): Promise<Timing> {
  const competitor = spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" });
  const ended = new Promise((resolve) => competitor.once("exit", resolve));
  try {
    await sleep(COMPETITOR_START_MS);
    return await ours.run(COMMAND);
  } finally {
    competitor.kill("SIGKILL");
    await ended;
  }
}

export async function contention(options: { readonly isQuick: boolean }): Promise<ScenarioResult> {
  const startedMs = performance.now();
  const model = await openBenchModel();
  const ours = await startOurs(model, { sequences: 1, tokensPerSequence: 512 });
  try {
    const sides = { quiet: () => ours.run(COMMAND), contended: () => contended(ours) };
    const { tokensPerSecond, rounds } = await alternate(sides, { ...options, startedMs });
    return {
      scenario: "contention",
      facts: {
        load: "one prompt of 512 tokens, with and without one busy competitor",
        ours: String(ours.greeting["numerics_class"]),
        threads: String(BENCH_THREADS),
      },
      metrics: {
        slowdown: tokensPerSecond.quiet / tokensPerSecond.contended,
        quiet_tok_s: tokensPerSecond.quiet,
        contended_tok_s: tokensPerSecond.contended,
        rounds,
      },
      peer: {},
    };
  } finally {
    await ours.stop();
  }
}
