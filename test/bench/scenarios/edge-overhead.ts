// Owns the scenario "edge-overhead": what our edge and hub add to a request, side by side with Portkey's gateway, in front of
// the same mock node; and whether all tokens of many paced streams arrive once and in order. Sides take turns; figures are
// medians over rounds. Invariant: the ledger has one entry for each request of our side, or there are no figures.
import { Client } from "undici";
import { medianOf } from "../alternation.ts";
import { startEdgeSide, type EdgeSide } from "../edge-overhead/edge-side.ts";
import { closedLoops, parallelStreams, stream, type Side } from "../edge-overhead/http-load.ts";
import { misplacedTokens } from "../edge-overhead/mock-answer.ts";
import { PORTKEY_VERSION, requirePortkey, startPortkey } from "../edge-overhead/portkey.ts";
import type { ScenarioResult } from "../report.ts";

const TOKENS = 16;
const STREAMS = 256;
const CONNECTIONS = [1, 16, 32] as const;

interface Plan {
  readonly rounds: number;
  readonly loopMs: number;
  readonly ttftProbes: number;
  readonly streamTokens: number;
}

const FULL: Plan = { rounds: 7, loopMs: 3_000, ttftProbes: 40, streamTokens: 250 };
const QUICK: Plan = { rounds: 2, loopMs: 1_200, ttftProbes: 20, streamTokens: 100 };

type Figures = Record<string, number[]>;

export async function edgeOverhead(options: {
  readonly isQuick: boolean;
}): Promise<ScenarioResult> {
  requirePortkey();
  const plan = options.isQuick ? QUICK : FULL;
  const edge = await startEdgeSide();
  try {
    const portkey = await startPortkey(edge.mockUrl);
    try {
      return await measure(plan, edge, portkey.side);
    } finally {
      await portkey.stop();
    }
  } finally {
    await edge.stop();
  }
}

async function measure(plan: Plan, edge: EdgeSide, portkey: Side): Promise<ScenarioResult> {
  const direct: Side = { name: "direct", origin: edge.mockUrl, headersOf: () => ({}) };
  const sides = [edge.side, portkey, direct];
  const run = new Run(plan, edge.side);
  // Code is compiled and connections are made before anything counts.
  for (const side of sides) await run.warm(side);
  for (let round = 0; round < plan.rounds; round++) {
    for (const side of sides) await run.round(side);
  }
  const lostTokens = await run.streams(edge.side);
  await run.streams(direct);
  await edge.expectEntries(run.ownRequests);
  return summary(plan, run, lostTokens);
}

class Run {
  readonly figures: Figures = {};
  ownRequests = 0;
  readonly #plan: Plan;
  readonly #own: Side;

  constructor(plan: Plan, own: Side) {
    this.#plan = plan;
    this.#own = own;
  }

  async warm(side: Side): Promise<void> {
    const load = { connections: 16, durationMs: this.#plan.loopMs, tokenCount: TOKENS };
    const { requests } = await closedLoops(side, load);
    this.#count(side, requests);
  }

  async round(side: Side): Promise<void> {
    const { loopMs } = this.#plan;
    for (const connections of CONNECTIONS) {
      const load = { connections, durationMs: loopMs, tokenCount: TOKENS };
      const result = await closedLoops(side, load);
      this.#count(side, result.requests);
      this.#add(`${side.name} rps c${connections}`, result.requestsPerSecond);
      this.#add(`${side.name} p50 c${connections}`, quantile(result.latenciesMs, 0.5));
      this.#add(`${side.name} p99 c${connections}`, quantile(result.latenciesMs, 0.99));
    }
    this.#add(`${side.name} ttft`, await this.#ttftMs(side));
  }

  /** All streams at once; returns the tokens that were lost, repeated or out of order. */
  async streams(side: Side): Promise<number> {
    const load = { streams: STREAMS, tokenCount: this.#plan.streamTokens };
    const results = await parallelStreams(side, load);
    this.#count(side, results.length);
    const gapsMs = results.flatMap((result) => result.gapsMs).sort((a, b) => a - b);
    this.#add(`${side.name} gap p50`, quantile(gapsMs, 0.5));
    this.#add(`${side.name} gap p99`, quantile(gapsMs, 0.99));
    const lost = results.map(({ text }) => misplacedTokens(text, load.tokenCount));
    return lost.reduce((sum, tokens) => sum + tokens, 0);
  }

  /** The median time to the first token of streams one after another, on one connection. */
  async #ttftMs(side: Side): Promise<number> {
    const client = new Client(side.origin);
    const probes: number[] = [];
    try {
      for (let probe = 0; probe < this.#plan.ttftProbes; probe++) {
        probes.push((await stream(client, side.headersOf(0), 2)).ttftMs);
      }
    } finally {
      await client.close();
    }
    this.#count(side, probes.length);
    return medianOf(probes);
  }

  #count(side: Side, requests: number): void {
    if (side === this.#own) this.ownRequests += requests;
  }

  #add(name: string, value: number): void {
    (this.figures[name] ??= []).push(value);
  }
}

function quantile(ascending: readonly number[], share: number): number {
  return ascending[Math.max(0, Math.ceil(share * ascending.length) - 1)] ?? NaN;
}

function summary(plan: Plan, run: Run, lostTokens: number): ScenarioResult {
  const of = (name: string): number => medianOf(run.figures[name] ?? []);
  const added = (name: string, side = "fairlane"): number =>
    of(`${side} ${name}`) - of(`direct ${name}`);
  const ratio = (c: number): number => of(`fairlane rps c${c}`) / of(`portkey rps c${c}`);
  return {
    scenario: "edge-overhead",
    facts: {
      load: `${plan.rounds} rounds of ${plan.loopMs} ms a side and number of connections; answers of ${TOKENS} tokens`,
      ledger: `${run.ownRequests} requests, an entry each`,
      peer: `Portkey's gateway ${PORTKEY_VERSION} on Node ${process.version}; it checks no key, limits, and meters nothing`,
    },
    metrics: {
      rps_ratio_c1: ratio(1),
      rps_ratio_c16: ratio(16),
      rps_ratio_c32: ratio(32),
      rps_c1: of("fairlane rps c1"),
      rps_c16: of("fairlane rps c16"),
      rps_c32: of("fairlane rps c32"),
      added_p50_ms: added("p50 c1"),
      added_p99_ms: added("p99 c1"),
      added_ttft_ms_p50: added("ttft"),
      added_gap_p50_ms: added("gap p50"),
      added_gap_p99_ms: added("gap p99"),
      lost_tokens: lostTokens,
      streams: STREAMS,
      requests: run.ownRequests,
    },
    peer: {
      name: `portkey ${PORTKEY_VERSION}`,
      rps_c1: of("portkey rps c1"),
      rps_c16: of("portkey rps c16"),
      rps_c32: of("portkey rps c32"),
      added_p50_ms: added("p50 c1", "portkey"),
      added_p99_ms: added("p99 c1", "portkey"),
      added_ttft_ms_p50: added("ttft", "portkey"),
    },
  };
}
