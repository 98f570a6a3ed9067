// Owns the scenario "fairness": the paper's suites through the scheduler that ships, in virtual time on the cost model of
// the paper's machine, with the published figures beside ours. All but the scheduler's own time is the same on every machine.
import { fairnessNative } from "./fairness-native.ts";
import { arenaSuites } from "../fairness/arena.ts";
import { BOUND_TOKENS } from "../fairness/a10g.ts";
import { replay, type FairRun } from "../fairness/fair-run.ts";
import { timeSteps } from "../fairness/many-tenants.ts";
import { ORDERS, orderOf } from "../fairness/orders.ts";
import { PUBLISHED, PUBLISHED_FIRST_TOKEN, type PublishedRow } from "../fairness/published.ts";
import {
  fairMetrics,
  firstTokenSeconds,
  serviceWithin,
  type FairMetrics,
} from "../fairness/fair-metrics.ts";
import { idleReturn, SUITES, sybil, type Suite } from "../fairness/suites.ts";
import type { ScenarioResult } from "../report.ts";

const IDLE_TENANTS = 100_000;
/** Orders of the suites other than the arena's and the two of overload. */
const USUAL_ORDERS = ["fcfs", "lcf", "vtc"];

type Facts = Record<string, string>;

export async function fairness(options: {
  readonly isQuick: boolean;
  readonly engine: "simulated" | "native";
}): Promise<ScenarioResult> {
  if (options.engine === "native") return fairnessNative(options);
  const facts: Facts = {};
  const spreads: number[] = [];
  const arena = await replayArena(options.isQuick ? ["fcfs", "vtc"] : Object.keys(ORDERS), {
    facts,
    spreads,
  });
  const suites = SUITES.map((make) => make());
  const quick = suites.filter(({ name }) => name === "overload" || name === "proportional");
  for (const suite of options.isQuick ? quick : suites) {
    await replaySuite(suite, options.isQuick ? ["fcfs", "vtc"] : ordersOf(suite), {
      facts,
      spreads,
    });
  }
  const back = await replay(idleReturn(), orderOf("vtc"), { cutSeconds: 310 });
  const many = await replay(sybil(), orderOf("vtc"), { cutSeconds: 370 });
  spreads.push(back.spreadOverBound, many.spreadOverBound);
  const { stepUsP50, stepUsP99 } = timeSteps(IDLE_TENANTS);
  return {
    scenario: "fairness",
    facts: {
      machine: `simulated A10G, Llama-2-7B, strict admission, U = ${BOUND_TOKENS} tokens`,
      columns: "max diff, avg diff, variance, tokens/s, max accumulated diff [published]",
      ...facts,
    },
    metrics: {
      ...arena,
      return_share_pct: shareOf(back, "c0", { fromSeconds: 200, untilSeconds: 300 }),
      sybil_share_pct: shareOf(many, "one", { fromSeconds: 30, untilSeconds: 360 }),
      spread_over_bound: Math.max(...spreads),
      step_us_p50_100k_idle: stepUsP50,
      step_us_p99_100k_idle: stepUsP99,
    },
    peer: publishedRatios(),
  };
}

interface Notes {
  readonly facts: Facts;
  readonly spreads: number[];
}

/** All five seeds by every order; the metrics are medians over the seeds of what VTC has over FCFS. */
async function replayArena(
  names: readonly string[],
  { facts, spreads }: Notes,
): Promise<Record<string, number>> {
  const suites = await arenaSuites();
  const rows = new Map<string, FairMetrics[]>();
  for (const name of names) {
    const metrics: FairMetrics[] = [];
    for (const suite of suites) {
      const run = await replay(suite, orderOf(name));
      if (name === "vtc") spreads.push(run.spreadOverBound);
      metrics.push(fairMetrics(run.served, suite.durationSeconds));
    }
    rows.set(name, metrics);
    const all = (pick: (row: FairMetrics) => number) => median(metrics.map(pick));
    const medians: FairMetrics = {
      maxDiff: all(({ maxDiff }) => maxDiff),
      avgDiff: all(({ avgDiff }) => avgDiff),
      varDiff: all(({ varDiff }) => varDiff),
      tokensPerSecond: all(({ tokensPerSecond }) => tokensPerSecond),
      maxAccDiff: all(({ maxAccDiff }) => maxAccDiff),
      servedCount: all(({ servedCount }) => servedCount),
    };
    facts[`arena-like ${name}`] = rowOf(medians, PUBLISHED["arena-like"]?.[name]);
  }
  const over = (pick: (row: FairMetrics) => number): number => {
    const [vtc = [], fcfs = []] = [rows.get("vtc"), rows.get("fcfs")];
    return median(vtc.map((row, seed) => pick(row) / (fcfs[seed] ? pick(fcfs[seed]) : Number.NaN)));
  };
  return {
    maxdiff_vtc_over_fcfs: over(({ maxDiff }) => maxDiff),
    avgdiff_vtc_over_fcfs: over(({ avgDiff }) => avgDiff),
    throughput_vtc_over_fcfs: over(({ tokensPerSecond }) => tokensPerSecond),
  };
}

async function replaySuite(
  suite: Suite,
  names: readonly string[],
  { facts, spreads }: Notes,
): Promise<void> {
  for (const name of names) {
    const run = await replay(suite, orderOf(name));
    if (name === "vtc") spreads.push(run.spreadOverBound);
    const metrics = fairMetrics(run.served, suite.durationSeconds);
    facts[`${suite.name} ${name}`] = rowOf(metrics, PUBLISHED[suite.name]?.[name]);
    if (suite.name === "overload-weighted") {
      facts[`${suite.name} ${name}, service of weights 1:2:3:4`] = ratiosOf(run);
    }
    const published = PUBLISHED_FIRST_TOKEN[suite.name];
    if (published !== undefined) {
      const { mean, p99 } = firstTokenSeconds(run.served, "c0");
      const beside = published[name] === undefined ? "" : ` [${published[name]}]`;
      const seconds = `${mean.toFixed(1)} / ${p99.toFixed(1)} s`;
      facts[`${suite.name} ${name}, first token of c0`] = `${seconds}${beside}`;
    }
  }
}

/** What the authors' result files give for the ratios of VTC to FCFS. */
function publishedRatios(): Record<string, number> {
  const { fcfs, vtc } = PUBLISHED["arena-like"] ?? {};
  const over = (name: "maxDiff" | "avgDiff" | "tokensPerSecond") =>
    (vtc?.[name] ?? Number.NaN) / (fcfs?.[name] ?? Number.NaN);
  return {
    maxdiff_vtc_over_fcfs: over("maxDiff"),
    avgdiff_vtc_over_fcfs: over("avgDiff"),
    throughput_vtc_over_fcfs: over("tokensPerSecond"),
  };
}

function ordersOf({ name }: Suite): readonly string[] {
  const isOverload = name === "overload" || name === "overload-multi";
  return isOverload ? [...USUAL_ORDERS, "vtc-50pct", "vtc-oracle", "rr"] : USUAL_ORDERS;
}

function rowOf(ours: FairMetrics, published: PublishedRow | undefined): string {
  const cell = (value: number, beside: number | undefined): string =>
    beside === undefined ? value.toFixed(0) : `${value.toFixed(0)} [${beside.toFixed(0)}]`;
  return [
    cell(ours.maxDiff, published?.maxDiff),
    cell(ours.avgDiff, published?.avgDiff),
    cell(ours.varDiff, published?.varDiff),
    cell(ours.tokensPerSecond, published?.tokensPerSecond),
    cell(ours.maxAccDiff, published?.maxAccDiff),
  ]
    .map((text) => text.padStart(16))
    .join("");
}

/** Service of the clients in order, over the first one's, while all of them overload. */
function ratiosOf({ served }: FairRun): string {
  const service = serviceWithin(served, 60, 240);
  const first = service.get("c0") ?? Number.NaN;
  const ratios = [...service]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, units]) => (units / first).toFixed(2));
  return ratios.join(" : ");
}

/** A tenant's percentage of all service in a window. */
function shareOf(
  { served }: FairRun,
  tenantId: string,
  { fromSeconds, untilSeconds }: { readonly fromSeconds: number; readonly untilSeconds: number },
): number {
  const service = serviceWithin(served, fromSeconds, untilSeconds);
  const total = [...service.values()].reduce((sum, units) => sum + units, 0);
  return (100 * (service.get(tenantId) ?? 0)) / total;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
