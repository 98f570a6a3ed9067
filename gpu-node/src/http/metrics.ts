// Owns the node's Prometheus metrics: their names, help and types, and GET /metrics.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type {
  DiscardedTokens,
  FromWorker,
  PoolUse,
  PreemptionTotals,
  WorkerLoad,
} from "../engine/worker-messages.ts";
import type { StepGrowth } from "../stream/live-streams.ts";
import type { StreamEnd } from "../stream/token-stream.ts";
import { AdapterMetrics } from "./adapter-metrics.ts";
import { sendText, type Exchange } from "./exchange.ts";

/** Numbers that are read when somebody asks. */
export interface MetricReadings {
  readonly live: () => number;
  readonly unackedRecords: () => number;
  readonly links: () => { readonly open: number; readonly wanted: number };
  /** Null on a node that serves alone, or before it heard any. */
  readonly fleetNewsAgeMs: () => number | null;
  readonly isReady: () => boolean;
}

const TTFT_BUCKETS_S = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const TBT_BUCKETS_S = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 10,
];
const PHASE_BUCKETS_S = [0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.01, 0.1, 1];
const SHARE_BUCKETS = [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
const FLUIDITY_BUCKETS = [0.1, 0.25, 0.5, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99, 0.999];
/** [Metron] Sec. 3: a request with fewer misses than a tenth is fluid. */
const FLUID_MIN = 0.9;
const STEP_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

const NO_PREEMPTIONS: PreemptionTotals = {
  recomputeCount: 0,
  recomputedTokens: 0,
  swapCount: 0,
  savedBytes: 0,
  loadedBytes: 0,
  swapFailureCount: 0,
};

type StepReport = Pick<
  Extract<FromWorker, { readonly type: "step" }>,
  "computeUs" | "facts" | "discarded" | "preemptions" | "pool"
>;

type EndedStream = Pick<StreamEnd, "reason" | "counts">;

export class NodeMetrics {
  readonly #registry = new Registry();
  readonly #requests = this.#counter("requests_total", "Requests that ended, by how.", ["reason"]);
  readonly #tokens = this.#counter("tokens_total", "Tokens computed or taken from a cache.", [
    "kind",
  ]);
  readonly #steps = this.#counter("steps_total", "Engine steps.");
  readonly #overTarget = this.#counter(
    "steps_over_target_total",
    "Steps that took longer than was meant by prediction.",
  );
  readonly #stepTokens = this.#counter("step_tokens_total", "Tokens that steps computed.", [
    "kind",
  ]);
  readonly #discarded = this.#counter(
    "discarded_tokens_total",
    "Tokens computed for requests that had ended meanwhile.",
    ["kind"],
  );
  readonly #preemptions = this.#counter(
    "preemptions_total",
    "Requests paused for others' pages, by how they come back.",
    ["mode"],
  );
  readonly #recomputed = this.#counter(
    "recomputed_tokens_total",
    "Tokens computed a second time after preemptions.",
  );
  readonly #cacheTokens = this.#counter(
    "cache_tokens_total",
    "Prompt tokens that a cache had or lacked, by its layer.",
    ["layer", "result"],
  );
  readonly #cacheBlocks = this.#gauge("cache_blocks", "Blocks that the prefix cache keeps.");
  readonly #evicted = this.#counter(
    "cache_evicted_blocks_total",
    "Blocks that the prefix cache gave up for others.",
  );
  readonly #swapBytes = this.#counter("swap_bytes_total", "Pages saved to and loaded from disk.", [
    "direction",
  ]);
  readonly #swapFailures = this.#counter(
    "swap_failures_total",
    "Saved pages that were lost; their requests computed them again.",
  );
  readonly #budgetUse = this.#histogram(
    "step_budget_use",
    "Tokens of a step over its budget.",
    SHARE_BUCKETS,
  );
  readonly #phase = new Histogram({
    ...this.#base("step_phase_seconds", "Engine thread's time in a step: plan, wait, settle."),
    buckets: PHASE_BUCKETS_S,
    labelNames: ["phase"],
  });
  readonly #tbt = this.#histogram("tbt_seconds", "From a token to the next.", TBT_BUCKETS_S);
  readonly #ttft = this.#histogram("ttft_seconds", "Receipt to first token.", TTFT_BUCKETS_S);
  readonly #queue = this.#histogram("queue_seconds", "Receipt to first chunk.", TTFT_BUCKETS_S);
  readonly #step = this.#histogram("step_seconds", "Compute time of a step.", STEP_BUCKETS_S);
  readonly #fluidity = this.#histogram(
    "fluidity",
    "Share of its token deadlines that a request met.",
    FLUIDITY_BUCKETS,
  );
  readonly #fluid = this.#counter(
    "fluid_requests_total",
    "Requests with tokens, by whether they met nine in ten deadlines.",
    ["fluid"],
  );
  readonly #correction = this.#gauge(
    "step_time_correction",
    "Measured over predicted time of late steps.",
  );
  readonly #pages = new Gauge({
    ...this.#base("pages", "Pages of the pool, by who has them."),
    labelNames: ["owner"],
  });
  readonly #running = this.#gauge("running_requests", "Requests in the running set.");
  readonly #waiting = this.#gauge("waiting_requests", "Requests that wait to join it.");
  readonly #pagesFree = this.#gauge("pages_free", "Free pages of the pool.");
  readonly #pagesTotal = this.#gauge("pool_pages", "Pages of the pool.");

  readonly #fairSpread = new Gauge({
    registers: [this.#registry],
    name: "fairlane_vtc_spread",
    help: "Largest difference of waiting tenants' virtual counters over its bound, U + Q + S.",
  });

  readonly #adapters = new AdapterMetrics(this.#registry);
  #discardedBefore: DiscardedTokens = { promptTokens: 0, outputTokens: 0 };
  #evictedBefore = 0;
  #preemptionsBefore: PreemptionTotals = NO_PREEMPTIONS;

  constructor(readings: MetricReadings) {
    this.#reading("live_requests", "Accepted requests that have not ended.", readings.live);
    this.#reading("usage_records_unacked", "Usage records the hub has not acknowledged.", () =>
      readings.unackedRecords(),
    );
    this.#reading("links_open", "Open links to hub shards.", () => readings.links().open);
    this.#reading("links_wanted", "Hub shards of the region.", () => readings.links().wanted);
    this.#reading(
      "fleet_news_age_seconds",
      "Since the hub told what other nodes gave; -1 while it never did.",
      () => (readings.fleetNewsAgeMs() ?? -1_000) / 1e3,
    );
    this.#reading("ready", "1 when the node takes work.", () => (readings.isReady() ? 1 : 0));
  }

  /** Adds the process's own: CPU, memory, event-loop lag. Once per process. */
  collectProcess(): void {
    collectDefaultMetrics({ register: this.#registry });
  }

  /** Notes a report of the engine. */
  step({ computeUs, facts, discarded, preemptions, pool }: StepReport): void {
    if (preemptions !== undefined) this.#preempted(preemptions);
    if (pool !== undefined) this.#pool(pool);
    const before = this.#discardedBefore;
    this.#discardedBefore = discarded;
    this.#discarded.inc({ kind: "prompt" }, discarded.promptTokens - before.promptTokens);
    this.#discarded.inc({ kind: "output" }, discarded.outputTokens - before.outputTokens);
    // There was no step.
    if (computeUs === 0) return;
    this.#steps.inc();
    this.#step.observe(computeUs / 1e6);
    if (facts === undefined) return;
    const { prefillTokens, decodeTokens, budgetTokens, phasesUs } = facts;
    if (facts.timeCorrection !== undefined) this.#correction.set(facts.timeCorrection);
    if (computeUs > (facts.targetUs ?? Infinity)) this.#overTarget.inc();
    this.#stepTokens.inc({ kind: "prefill" }, prefillTokens);
    this.#stepTokens.inc({ kind: "decode" }, decodeTokens);
    this.#budgetUse.observe((prefillTokens + decodeTokens) / budgetTokens);
    this.#phase.observe({ phase: "plan" }, phasesUs.plan / 1e6);
    this.#phase.observe({ phase: "wait" }, phasesUs.wait / 1e6);
    this.#phase.observe({ phase: "settle" }, phasesUs.settle / 1e6);
  }

  #preempted(totals: PreemptionTotals): void {
    const before = this.#preemptionsBefore;
    this.#preemptionsBefore = totals;
    this.#preemptions.inc({ mode: "recompute" }, totals.recomputeCount - before.recomputeCount);
    this.#preemptions.inc({ mode: "swap" }, totals.swapCount - before.swapCount);
    this.#recomputed.inc(totals.recomputedTokens - before.recomputedTokens);
    this.#swapBytes.inc({ direction: "out" }, totals.savedBytes - before.savedBytes);
    this.#swapBytes.inc({ direction: "in" }, totals.loadedBytes - before.loadedBytes);
    this.#swapFailures.inc(totals.swapFailureCount - before.swapFailureCount);
  }

  #pool(use: PoolUse): void {
    this.#pages.set({ owner: "kv" }, use.kvPages);
    this.#pages.set({ owner: "cache_idle" }, use.cachedIdlePages);
    this.#pages.set({ owner: "adapter" }, use.adapterPages);
    if (use.adapters !== undefined) this.#adapters.note(use.adapters);
    this.#pages.set({ owner: "quarantine" }, use.quarantinedPages);
    this.#pages.set({ owner: "free" }, use.freePages);
    this.#cacheBlocks.set(use.cachedBlocks);
    this.#evicted.inc(use.evictedBlocks - this.#evictedBefore);
    this.#evictedBefore = use.evictedBlocks;
  }

  /** Notes the tokens of a step. */
  grew(growth: StepGrowth): void {
    for (const gapMs of growth.tokenGapsMs) this.#tbt.observe(gapMs / 1e3);
    this.#tokens.inc({ kind: "cached_prompt" }, growth.cachedTokens);
    this.#tokens.inc({ kind: "computed_prompt" }, growth.computedPromptTokens);
    this.#tokens.inc({ kind: "output" }, growth.outputTokens);
    this.#cacheTokens.inc({ layer: "prefix", result: "hit" }, growth.cachedTokens);
    this.#cacheTokens.inc({ layer: "prefix", result: "miss" }, growth.computedPromptTokens);
  }

  /** Notes the engine's load. */
  load(load: WorkerLoad): void {
    this.#running.set(load.running);
    this.#waiting.set(load.waiting);
    this.#pagesFree.set(load.pagesFree);
    this.#pagesTotal.set(load.pagesTotal);
    this.#fairSpread.set(load.fairSpread ?? 0);
  }

  /** Notes the end of a request; its fluidity is null when it had no token. */
  streamEnded({ reason, counts }: EndedStream, fluidity: number | null): void {
    const { queueMs, ttftMs } = counts;
    this.#requests.inc({ reason });
    if (queueMs !== null) this.#queue.observe(queueMs / 1e3);
    if (ttftMs !== null) this.#ttft.observe(ttftMs / 1e3);
    if (fluidity === null) return;
    this.#fluidity.observe(fluidity);
    this.#fluid.inc({ fluid: String(fluidity >= FLUID_MIN) });
  }

  /** All of them in Prometheus's text form. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** GET /metrics. */
  async serve(exchange: Exchange): Promise<void> {
    const text = await this.text();
    sendText(exchange, { status: 200, type: this.#registry.contentType, text });
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ ...this.#base(name, help), labelNames });
  }

  #gauge(name: string, help: string): Gauge {
    return new Gauge(this.#base(name, help));
  }

  #histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ ...this.#base(name, help), buckets });
  }

  #reading(name: string, help: string, read: () => number): void {
    new Gauge({
      ...this.#base(name, help),
      collect() {
        this.set(read());
      },
    });
  }

  #base(name: string, help: string) {
    return { name: `fairlane_node_${name}`, help, registers: [this.#registry] };
  }
}
