// Owns the counts of what adapters have of the pool now and of what was done since the start, for metrics and load reports.
import type { Adapter } from "./adapter.ts";
import type { PackedStore } from "./packed-store.ts";

/** Since the start. */
export interface AdapterTotals {
  readonly loadCount: number;
  readonly loadedBytes: number;
  /** Time that reading and copying took. */
  readonly loadMs: number;
  /** Loads whose bytes had to be read from disk. */
  readonly readCount: number;
  /** Adapters that left the pool. */
  readonly evictedCount: number;
  /** Adapters that left the host tier's memory. */
  readonly droppedCount: number;
  readonly failureCount: number;
}

/** Now, and since the start. */
export interface AdapterUse {
  readonly pages: number;
  /** Of resident adapters that no running request uses. */
  readonly idlePages: number;
  readonly residentCount: number;
  readonly runningCount: number;
  readonly hostBytes: number;
  readonly totals: AdapterTotals;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export class AdapterCounts {
  readonly totals: Writable<Omit<AdapterTotals, "droppedCount">> = {
    loadCount: 0,
    loadedBytes: 0,
    loadMs: 0,
    readCount: 0,
    evictedCount: 0,
    failureCount: 0,
  };
  pages = 0;
  idlePages = 0;
  residentCount = 0;
  runningCount = 0;

  /** The report, with what the store says of the host tier. */
  useWith({ memoryBytes, droppedCount }: Pick<PackedStore, "memoryBytes" | "droppedCount">) {
    const { pages, idlePages, residentCount, runningCount } = this;
    const totals = { ...this.totals, droppedCount };
    return { pages, idlePages, residentCount, runningCount, hostBytes: memoryBytes, totals };
  }

  /** It is in its pages and nobody runs with it. */
  loaded(adapter: Adapter): void {
    this.totals.loadCount += 1;
    this.totals.loadedBytes += adapter.bytes;
    this.totals.loadMs += adapter.loadMs;
    this.residentCount += 1;
    this.idlePages += adapter.pageCount;
  }

  evicted(adapter: Adapter): void {
    this.totals.evictedCount += 1;
    this.residentCount -= 1;
    this.idlePages -= adapter.pageCount;
    this.pages -= adapter.pageCount;
  }

  /** The first running request came, or the last one went. */
  pinned(adapter: Adapter, isPinned: boolean): void {
    this.runningCount += isPinned ? 1 : -1;
    this.idlePages += isPinned ? -adapter.pageCount : adapter.pageCount;
  }
}
