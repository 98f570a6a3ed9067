// Reproduces what Sarathi-Serve claims of stall-free batching, with the scheduler that ships, in virtual time on a cost
// model of Yi-34B on two A100. Ranges and orders are asserted, not the paper's own figures: its trace is not committed
// here, and results move with the cost model.
import { beforeAll, describe, expect, it } from "vitest";
import { YI_34B } from "../../gpu-node/src/engine/testing/cost-models.ts";
import { pairsOfChunk, predictStepUs } from "../../gpu-node/src/scheduler/step-cost-model.ts";
import { arrivalsOf, readWorkload, type Arrival } from "../bench/workload.ts";
import { baselineRun } from "./baseline-run.ts";
import { capacityOf, latenciesOf, type Latencies } from "./latencies.ts";
import { simulateRun, type Machine } from "./simulated-run.ts";

const MACHINE: Machine = { cost: YI_34B, kvTokens: 240_000, runningRequestsMax: 128 };
/** vLLM's bound of prompt tokens in a step; no prompt of the trace is longer. */
const WHOLE_PROMPTS = 8_192;

let traceAt: (ratePerSecond: number, requests: number) => Arrival[];

beforeAll(async () => {
  const description = await readWorkload("sharegpt-like");
  traceAt = (ratePerSecond, requests) =>
    arrivalsOf({ ...description, requests, lengthScale: 1 }, ratePerSecond);
});

describe("no generation stall", () => {
  const DECODES = 8;
  const PROMPT = 4_096;
  const BUDGET = 512;
  // Eight requests decode from the first seconds on; the long prompt comes when all of them do.
  const arrivals: Arrival[] = [
    ...Array.from({ length: DECODES }, () => ({ atMs: 0, promptTokens: 512, outputTokens: 200 })),
    { atMs: 5_000, promptTokens: PROMPT, outputTokens: 20 },
  ];

  async function longestGapUs(budget: number): Promise<number> {
    const times = await simulateRun(arrivals, MACHINE, { stepBudgetTokens: budget });
    const [from, to] = [5e6, times.at(-1)?.tokenUs.at(-1) ?? NaN];
    const gaps = times.slice(0, DECODES).flatMap(({ tokenUs }) =>
      tokenUs.slice(1).flatMap((us, index) => {
        return us >= from && us <= to ? [us - (tokenUs[index] ?? NaN)] : [];
      }),
    );
    expect(gaps.length).toBeGreaterThan(DECODES * 10);
    return Math.max(...gaps);
  }

  it("keeps decodes going at the predicted step time while a 4k prompt is admitted", async () => {
    const predictedUs = predictStepUs(YI_34B, {
      tokens: BUDGET,
      decodes: DECODES,
      decodeContextTokens: DECODES * (512 + 200),
      chunkPairs: pairsOfChunk(BUDGET - DECODES, PROMPT - BUDGET),
    });
    const chunkedUs = await longestGapUs(BUDGET);
    const wholeUs = await longestGapUs(WHOLE_PROMPTS);
    process.stdout.write(
      `longest gap: ${(chunkedUs / predictedUs).toFixed(2)} of the predicted step; ` +
        `without chunks ${(wholeUs / chunkedUs).toFixed(1)} times longer\n`,
    );
    expect(chunkedUs).toBeLessThanOrEqual(2 * predictedUs);
    expect(wholeUs).toBeGreaterThan(5 * chunkedUs);
  });
});

describe("ablation, Table 4", () => {
  it("has hybrid batches for the first token, chunks for the tail, and both together for both", async () => {
    const arrivals = traceAt(0.7, 256);
    const hybrid = latenciesOf(
      await simulateRun(arrivals, MACHINE, { stepBudgetTokens: WHOLE_PROMPTS }),
    );
    const chunked = latenciesOf(
      baselineRun(arrivals, MACHINE, { kind: "alternating", chunkTokens: 512 }),
    );
    const both = latenciesOf(await simulateRun(arrivals, MACHINE, { stepBudgetTokens: 512 }));
    const row = (name: string, { ttftSecondsP50, tbtSecondsP99 }: Latencies): string =>
      `${name}: P50 TTFT ${ttftSecondsP50.toFixed(2)} s, P99 TBT ${tbtSecondsP99.toFixed(2)} s\n`;
    process.stdout.write(
      row("hybrid only", hybrid) + row("chunks only", chunked) + row("both", both),
    );
    expect(hybrid.ttftSecondsP50).toBeLessThanOrEqual(both.ttftSecondsP50);
    expect(both.ttftSecondsP50).toBeLessThan(chunked.ttftSecondsP50);
    expect(both.tbtSecondsP99).toBeLessThan(chunked.tbtSecondsP99);
    expect(chunked.tbtSecondsP99).toBeLessThan(hybrid.tbtSecondsP99);
  });
});

describe("capacity", () => {
  const REQUESTS = 400;

  async function ratioAt(tbtSecondsMax: number, budget: number): Promise<number> {
    const ours = await capacityOf(tbtSecondsMax, (rate) =>
      simulateRun(traceAt(rate, REQUESTS), MACHINE, { stepBudgetTokens: budget }),
    );
    const vllm = await capacityOf(tbtSecondsMax, (rate) =>
      baselineRun(traceAt(rate, REQUESTS), MACHINE, {
        kind: "prefill-first",
        prefillTokensMax: WHOLE_PROMPTS,
      }),
    );
    process.stdout.write(
      `P99 TBT <= ${tbtSecondsMax} s, budget ${budget}: ${ours.toFixed(2)} against ${vllm.toFixed(2)} requests/s\n`,
    );
    return ours / vllm;
  }

  it("serves at least twice the load of prefill-first under a strict target, and no less under a relaxed one", async () => {
    const strict = await ratioAt(0.2, 512);
    const relaxed = await ratioAt(1, 2_048);
    expect(strict).toBeGreaterThanOrEqual(2);
    expect(relaxed).toBeGreaterThanOrEqual(1);
    expect(strict).toBeGreaterThan(relaxed);
  }, 120_000);
});
