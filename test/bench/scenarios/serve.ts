// Owns the scenario "serve": a node in a process of its own under Poisson arrivals with conversation-like lengths, timed
// by its clients over HTTP. Invariant: a run with a failed request gives no figures.
import { setTimeout as sleep } from "node:timers/promises";
import { fluidityOf, fluidTokenRate, goodputOf, LatencyHistogram } from "@fairlane/slo";
import { startNode } from "../../../scripts/start-node.ts";
import type { ScenarioResult } from "../report.ts";
import { streamTimeline, type Timeline } from "../stream-client.ts";
import { arrivalsOf, readWorkload, seededRandom, type Workload } from "../workload.ts";

/** Requests that a client deems served well: nine deadlines of ten met. */
const FLUIDITY_MIN = 0.9;
const STALL_PROBES = 3;
/** Words of one token each in common vocabularies. */
const WORDS =
  "time year people way day man thing woman life child world school state family student";

interface Load {
  readonly url: string;
  readonly workload: Workload;
  readonly signal: AbortSignal;
  /** Tokens that the chat template adds to a prompt. */
  readonly templateTokens: number;
}

export async function serve(options: { readonly isQuick: boolean }): Promise<ScenarioResult> {
  const workload = await readWorkload(options.isQuick ? "sharegpt-like-quick" : "sharegpt-like");
  const signal = AbortSignal.timeout(workload.runSecondsMax * 1_000);
  const budget = String(workload.stepBudgetTokens);
  const flags = ["--port", "0", "--step-budget-tokens", budget];
  const node = await startNode({ flags, env: {}, onLogLine: () => {} });
  try {
    const { url } = node;
    const templateTokens = await measureTemplate(url, signal);
    const load = { url, workload, signal, templateTokens };
    const budgetTimeUs = await measureBudgetTime(load);
    const startedMs = performance.now();
    const timelines = await drive(load);
    const durationUs = Math.round((performance.now() - startedMs) * 1_000);
    return summary({ workload, timelines, durationUs, budgetTimeUs });
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new Error(`the load did not end within ${workload.runSecondsMax} s: no figures`, {
      cause: error,
    });
  } finally {
    await node.stop("SIGTERM");
  }
}

/** One short request: it also warms the node up. */
async function measureTemplate(url: string, signal: AbortSignal): Promise<number> {
  const words = 16;
  const content = wordsOf(words, 0);
  const { promptTokens } = await streamTimeline({ url, content, outputTokens: 4, signal });
  return promptTokens - words;
}

/**
 * Microseconds of a step that is full and stands at the end of the longest prompt: what that prompt's first token takes
 * longer than the same less one budget's. The median of a few.
 */
async function measureBudgetTime({ url, workload, signal, templateTokens }: Load): Promise<number> {
  const { stepBudgetTokens } = workload;
  const longest = Math.max(...arrivalsOf(workload).map(({ promptTokens }) => promptTokens));
  const steps = Math.max(2, Math.ceil(longest / stepBudgetTokens));
  const ttftUs = async (stepCount: number, seed: number): Promise<number> => {
    const content = wordsOf(stepCount * stepBudgetTokens - templateTokens, seed);
    const { gapsUs } = await streamTimeline({ url, content, outputTokens: 1, signal });
    return gapsUs[0] ?? NaN;
  };
  const differencesUs: number[] = [];
  for (let probe = 1; probe <= STALL_PROBES; probe++) {
    differencesUs.push((await ttftUs(steps, probe)) - (await ttftUs(steps - 1, -probe)));
  }
  const middle = differencesUs.sort((a, b) => a - b)[Math.floor(STALL_PROBES / 2)] ?? NaN;
  if (!(middle > 0)) throw new Error("a full step's time could not be told from noise");
  return middle;
}

async function drive({ url, workload, signal, templateTokens }: Load): Promise<Timeline[]> {
  const startedMs = performance.now();
  const one = async (index: number, arrival: ReturnType<typeof arrivalsOf>[number]) => {
    await sleep(Math.max(0, arrival.atMs - (performance.now() - startedMs)), undefined, { signal });
    const words = Math.max(1, arrival.promptTokens - templateTokens);
    const content = wordsOf(words, workload.seed + index);
    return streamTimeline({ url, content, outputTokens: arrival.outputTokens, signal });
  };
  return Promise.all(arrivalsOf(workload).map((arrival, index) => one(index, arrival)));
}

/** Words that differ by seed from the first on, so that no cache knows them. */
function wordsOf(count: number, seed: number): string {
  const random = seededRandom(seed);
  const words = WORDS.split(" ");
  const pick = (): string => words[Math.floor(random() * words.length)] ?? "";
  return Array.from({ length: Math.max(1, count) }, pick).join(" ");
}

interface Run {
  readonly workload: Workload;
  readonly timelines: readonly Timeline[];
  readonly durationUs: number;
  readonly budgetTimeUs: number;
}

function summary({ workload, timelines, durationUs, budgetTimeUs }: Run): ScenarioResult {
  const [ttft, tbt] = [new LatencyHistogram(), new LatencyHistogram()];
  for (const { gapsUs } of timelines) {
    gapsUs.forEach((gapUs, index) => (index === 0 ? ttft : tbt).record(gapUs));
  }
  const deadlines = {
    prefillDeadlineUs: workload.targets.ttftMs * 1_000,
    decodeDeadlineUs: workload.targets.tbtMs * 1_000,
  };
  const served = timelines.map(({ gapsUs, outputTokens }) => ({
    isComplete: true,
    ttftUs: gapsUs[0] ?? null,
    fluidity: fluidityOf(gapsUs, deadlines),
    outputTokens,
  }));
  const targets = { ttftMaxUs: deadlines.prefillDeadlineUs, fluidityMin: FLUIDITY_MIN };
  const good = goodputOf(served, targets, durationUs);
  const fluidities = served.map(({ fluidity }) => fluidity ?? 0).sort((a, b) => a - b);
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const ms = (us: number | null): number => (us ?? NaN) / 1_000;
  const { ttftMs, tbtMs } = workload.targets;
  return {
    scenario: "serve",
    facts: {
      workload: `${workload.name}, ${workload.requests} requests, ${workload.ratePerSecond}/s, seed ${workload.seed}`,
      "prompt / output tokens": `${sum(timelines.map((t) => t.promptTokens))} / ${sum(timelines.map((t) => t.outputTokens))}`,
      targets: `first token within ${ttftMs} ms, then one every ${tbtMs} ms`,
    },
    metrics: {
      out_tok_s: (sum(timelines.map((t) => t.outputTokens)) * 1e6) / durationUs,
      ttft_ms_p50: ms(ttft.quantileUs(0.5)),
      ttft_ms_p99: ms(ttft.quantileUs(0.99)),
      tbt_ms_p50: ms(tbt.quantileUs(0.5)),
      tbt_ms_p99: ms(tbt.quantileUs(0.99)),
      max_stall_ms: ms(tbt.maxUs),
      full_step_ms: ms(budgetTimeUs),
      max_stall_over_budget_time: tbt.maxUs / budgetTimeUs,
      fluidity: sum(fluidities) / fluidities.length,
      // The lower tail: what the worst-served tenth saw at best.
      fluidity_p10: fluidities[Math.ceil(0.1 * fluidities.length) - 1] ?? NaN,
      fluid_tok_s: fluidTokenRate(timelines.map((t) => t.gapsUs)) ?? NaN,
      attained_share: good.attainedShare ?? NaN,
    },
    peer: {},
  };
}
