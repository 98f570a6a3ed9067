// Owns the bringing of adapters into pages: which one is read from disk or copied next, the one whose turn it is first, then
// those whose turns come next; and how many pages are copied between two steps. [Punica] sec. 5: others' requests go
// on while an adapter is copied. What is known of an adapter is adapter-residency.ts's. Invariants: an adapter gets all
// its pages or none, so that two halves never wait for each other; copies take a bounded share of a step's time.
import { assert } from "@fairlane/base";
import type { PackedAdapter } from "../engine/adapter-spec.ts";
import type { Engine } from "../engine/engine.ts";
import type { PagePool } from "../memory/page-pool.ts";
import type { PoolRoom } from "../memory/pool-room.ts";
import type { Adapter } from "./adapter.ts";
import { AdapterReads, type AdapterReadsOptions } from "./adapter-reads.ts";
import { ADAPTER_IDLE_COPY_PAGES, ADAPTER_LOADS_MAX } from "./limits.ts";

/** What of the engine adapters need. */
export type AdapterEngine = Pick<Engine, "writePages" | "setAdapter" | "clearAdapter"> & {
  readonly info: Pick<Engine["info"], "pageBytes" | "adapterSlots">;
};

export interface AdapterLoadsOptions extends AdapterReadsOptions {
  readonly engine: AdapterEngine;
  readonly pool: PagePool;
  readonly room: PoolRoom;
  /** Takes a free slot; undefined when there is none now. */
  readonly takeSlot: () => number | undefined;
  /** What is kept for waiting requests and cannot be evicted. */
  readonly held: { readonly heldPages: number };
  /** Gives up something kept for a waiting request, for one whose turn it is; false when there is nothing left. */
  readonly giveUp: (head: Adapter) => boolean;
  readonly moved: (adapter: Adapter, state: "cold" | "host" | "loading" | "resident") => void;
}

interface Load {
  readonly adapter: Adapter;
  readonly packed: PackedAdapter;
  copiedPages: number;
  copyUs: number;
}

export class AdapterLoads {
  readonly #options: AdapterLoadsOptions;
  readonly #loads: Load[] = [];
  readonly #reads: AdapterReads;
  /** Measured by the last copies; the first one is a single page. */
  #pageUs = Infinity;
  #lackedPages: Adapter | null = null;
  /** What the adapter of the request whose turn it is will take, while it has none. */
  #reservedPages = 0;

  constructor(options: AdapterLoadsOptions) {
    this.#options = options;
    this.#reads = new AdapterReads(options);
  }

  /** Pages are being copied. */
  get isLoading(): boolean {
    return this.#loads.length > 0;
  }

  /** Pages are being copied, or a file is being read. */
  get isBusy(): boolean {
    return this.#reads.count > 0 || this.#loads.length > 0;
  }

  /** Pages of adapters that are on their way. */
  get entries(): readonly { readonly page: number }[] {
    return this.#loads.flatMap(({ adapter }) => [...adapter.pages].map((page) => ({ page })));
  }

  /** True when the adapter was the last to find too few pages: it waits for others to end. */
  lacksPages(adapter: Adapter): boolean {
    return this.#lackedPages === adapter;
  }

  /** Whether its file is being read. */
  isReading(adapter: Adapter): boolean {
    return this.#reads.has(adapter);
  }

  /** Begins what can be begun: for the one whose turn it is, then for those whose turns come next. */
  prepare(head: Adapter | null, next: ReadonlySet<Adapter>): void {
    this.#lackedPages = null;
    this.#reads.keepOnly(next);
    if (head !== null) this.#begin(head, true);
    this.#reservedPages = head?.state === "cold" || head?.state === "host" ? head.pageCount : 0;
    for (const adapter of next) if (adapter !== head) this.#begin(adapter, false);
  }

  /**
   * Copies pages in, of the adapter first whose turn it is.
   * @param budgetUs time that copies may take; null: no step waits for them
   */
  copy(head: Adapter | null, budgetUs: number | null): void {
    let left = budgetUs === null ? ADAPTER_IDLE_COPY_PAGES : this.#pagesWithin(budgetUs);
    while (left > 0) {
      const load = this.#loads.find(({ adapter }) => adapter === head) ?? this.#loads[0];
      if (load === undefined) return;
      const count = Math.min(left, load.adapter.pageCount - load.copiedPages);
      this.#copyPages(load, count);
      left -= count;
    }
  }

  /** Resolves when a file was read; at once while pages can be copied, or when nothing is on its way. */
  nextMove(): Promise<void> {
    return this.isLoading ? Promise.resolve() : this.#reads.next();
  }

  #begin(adapter: Adapter, isHead: boolean): void {
    if (adapter.state !== "cold" && adapter.state !== "host") return;
    const packed = this.#reads.find(adapter);
    if (packed === undefined) this.#reads.begin(adapter, isHead);
    else this.#start(adapter, packed, isHead);
  }

  #start(adapter: Adapter, packed: PackedAdapter, isHead: boolean): void {
    const { pool, takeSlot, moved } = this.#options;
    if (this.#loads.length >= ADAPTER_LOADS_MAX + (isHead ? 1 : 0)) return;
    if (!this.#makeRoom(adapter, isHead)) {
      this.#lackedPages ??= isHead ? adapter : null;
      return;
    }
    const slot = takeSlot();
    if (slot === undefined) return;
    adapter.slot = slot;
    adapter.pages = Int32Array.from({ length: adapter.pageCount }, () => pool.allocate("adapter"));
    this.#reads.take(adapter);
    this.#loads.push({ adapter, packed, copiedPages: 0, copyUs: 0 });
    moved(adapter, "loading");
  }

  #makeRoom(adapter: Adapter, isHead: boolean): boolean {
    const { room, pool, held, giveUp } = this.#options;
    const { pageCount } = adapter;
    if (!isHead) {
      // Nothing is evicted for a prefetch that has no room all the same, beside the one whose turn it is.
      const otherPages = held.heldPages + this.#reservedPages;
      return room.pagesWithin - otherPages >= pageCount && room.makeRoom(pageCount);
    }
    while (!room.makeRoom(pageCount)) {
      // What was evicted is free once steps in flight are done.
      if (pool.freeCount + pool.quarantinedCount >= pageCount) return false;
      if (!giveUp(adapter)) return false;
    }
    return true;
  }

  #pagesWithin(budgetUs: number): number {
    return Math.max(1, Math.floor(budgetUs / this.#pageUs));
  }

  #copyPages(load: Load, count: number): void {
    const { engine, nowUs } = this.#options;
    const { adapter, packed, copiedPages } = load;
    const { pageBytes } = engine.info;
    const pages = adapter.pages.subarray(copiedPages, copiedPages + count);
    const first = copiedPages * pageBytes;
    const begunUs = nowUs();
    try {
      const images = packed.images.subarray(first, first + count * pageBytes);
      engine.writePages({ pages, images });
      load.copiedPages += count;
      const tookUs = nowUs() - begunUs;
      load.copyUs += tookUs;
      this.#pageUs = Math.max(tookUs / count, 0.01);
      if (load.copiedPages === adapter.pageCount) this.#finish(load);
    } catch (error) {
      this.#abandon(load, error instanceof Error ? error.message : String(error));
    }
  }

  #finish(load: Load): void {
    const { engine, room, pool, moved } = this.#options;
    const { adapter, packed, copyUs } = load;
    assert(adapter.slot >= 0, `${adapter.key} was loaded without a slot`);
    const { slot: adapterSlot, pages } = adapter;
    engine.setAdapter({ adapterSlot, table: packed.table, pages });
    this.#loads.splice(this.#loads.indexOf(load), 1);
    adapter.loadMs = Math.max(adapter.readMs + copyUs / 1_000, 0.001);
    adapter.readMs = 0;
    adapter.entry = room.evictor.add(adapter);
    for (const page of adapter.pages) {
      pool.addToCache(page);
      pool.release(page);
    }
    moved(adapter, "resident");
  }

  /** The engine refused it: its file is damaged. */
  #abandon(load: Load, reason: string): void {
    const { pool, failed } = this.#options;
    this.#loads.splice(this.#loads.indexOf(load), 1);
    for (const page of load.adapter.takePages()) pool.release(page);
    failed(load.adapter, reason);
  }
}
