// Owns the metrics of adapters: how many are where, and what loads and evictions there were. Their pages are among those of
// metrics.ts. Invariant: totals that the engine counts are added as they grow, so a restarted engine lowers none.
import { Counter, Gauge, type Registry } from "prom-client";
import type { AdapterTotals, AdapterUse } from "../adapters/adapter-totals.ts";

const NO_TOTALS: AdapterTotals = {
  loadCount: 0,
  loadedBytes: 0,
  loadMs: 0,
  readCount: 0,
  evictedCount: 0,
  droppedCount: 0,
  failureCount: 0,
};

export class AdapterMetrics {
  readonly #resident: Gauge;
  readonly #running: Gauge;
  readonly #hostBytes: Gauge;
  readonly #loads: Counter;
  readonly #reads: Counter;
  readonly #loadedBytes: Counter;
  readonly #loadSeconds: Counter;
  readonly #evictions: Counter;
  readonly #failures: Counter;
  #before: AdapterTotals = NO_TOTALS;

  constructor(registry: Registry) {
    const base = (name: string, help: string) => {
      return { name: `fairlane_node_adapter${name}`, help, registers: [registry] };
    };
    this.#resident = new Gauge(base("s_resident", "Adapters in pages of the pool."));
    this.#running = new Gauge(base("s_running", "Distinct adapters of running requests."));
    this.#hostBytes = new Gauge(base("_host_bytes", "Adapters in memory beside the pool."));
    this.#loads = new Counter(base("_loads_total", "Adapters that came into pages."));
    this.#reads = new Counter(base("_reads_total", "Adapters that were read from disk."));
    this.#loadedBytes = new Counter(base("_loaded_bytes_total", "Bytes that came into pages."));
    this.#loadSeconds = new Counter(
      base("_load_seconds_total", "Time that reading and copying adapters took."),
    );
    this.#evictions = new Counter({
      ...base("_evictions_total", "Adapters that left a tier for others."),
      labelNames: ["tier"],
    });
    this.#failures = new Counter(
      base("_failures_total", "Adapters whose bytes were lost; their waiting requests ended."),
    );
  }

  /** Notes what the engine's thread says of its adapters. */
  note({ residentCount, runningCount, hostBytes, totals }: AdapterUse): void {
    const before = this.#before;
    this.#before = totals;
    this.#resident.set(residentCount);
    this.#running.set(runningCount);
    this.#hostBytes.set(hostBytes);
    this.#loads.inc(totals.loadCount - before.loadCount);
    this.#reads.inc(totals.readCount - before.readCount);
    this.#loadedBytes.inc(totals.loadedBytes - before.loadedBytes);
    this.#loadSeconds.inc((totals.loadMs - before.loadMs) / 1e3);
    this.#evictions.inc({ tier: "device" }, totals.evictedCount - before.evictedCount);
    this.#evictions.inc({ tier: "host" }, totals.droppedCount - before.droppedCount);
    this.#failures.inc(totals.failureCount - before.failureCount);
  }
}
