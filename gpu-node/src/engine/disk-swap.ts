// Owns the copies of pages to and from a swap file: engine <-> canonical form <-> records, one copy after another, page
// by page. Pages are moved in and out of the engine by this thread, while steps compute on theirs; the disk's part is
// asynchronous. So a step waits for one page at most. Invariants: what is loaded is what was saved, or it is lost; a
// failed or dropped copy leaves no record in use.
import { assert } from "@fairlane/base";
import type { Engine } from "./engine.ts";
import type { SavedPages, SavedState, SwapSpace, SwapTotals } from "../memory/swap-space.ts";
import { SwapFile, type SwapFileOptions } from "./swap-file.ts";

/** Weight of the newest copy in the rate: a slow disk is noticed within a few. */
const NEWEST_WEIGHT = 0.3;
/** Pages of one KV group, seeing all positions. */
const KV_GROUP = 0;

export interface DiskSwapOptions extends Omit<SwapFileOptions, "recordBytes"> {
  readonly engine: Engine;
  readonly nowMs: () => number;
}

interface DiskPages extends SavedPages {
  state: SavedState;
  readonly records: readonly number[];
  isDropped: boolean;
}

type MovePage = (record: number, page: number) => Promise<void>;

export class DiskSwap implements SwapSpace {
  readonly #engine: Engine;
  readonly #file: SwapFile;
  readonly #nowMs: () => number;
  readonly #bytes: Uint8Array;
  readonly #all = new Set<DiskPages>();
  readonly #totals = { savedBytes: 0, loadedBytes: 0, failureCount: 0 };
  #bytesPerMs: number;
  #copies: Promise<void> = Promise.resolve();
  #copyCount = 0;
  #closed: Promise<void> | undefined;
  #waiters: (() => void)[] = [];

  private constructor(options: DiskSwapOptions, file: SwapFile, bytesPerMs: number) {
    this.#engine = options.engine;
    this.#nowMs = options.nowMs;
    this.#file = file;
    this.#bytesPerMs = bytesPerMs;
    this.#bytes = new Uint8Array(file.recordBytes);
  }

  /** Opens the file and measures one page there and back, on an idle engine. Throws when the disk cannot be used. */
  static async open(options: DiskSwapOptions): Promise<DiskSwap> {
    const { engine, folder, bytesMax, nowMs } = options;
    const recordBytes = engine.canonicalPageBytes(KV_GROUP);
    const file = await SwapFile.open({ folder, bytesMax, recordBytes });
    try {
      const canonical = new Uint8Array(recordBytes);
      const move = { kvGroup: KV_GROUP, pages: Int32Array.of(0), canonical };
      const begunMs = nowMs();
      engine.exportPages(move);
      await file.write(0, canonical);
      await file.read(0, canonical);
      engine.importPages(move);
      const tookMs = Math.max(nowMs() - begunMs, 0.001);
      await file.truncate();
      return new DiskSwap(options, file, (2 * recordBytes) / tookMs);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get totals(): SwapTotals {
    return { ...this.#totals };
  }

  get copyCount(): number {
    return this.#copyCount;
  }

  /** Records that hold pages, or are about to. */
  get usedCount(): number {
    return this.#file.recordCount - this.#file.freeCount;
  }

  hasRoomFor(pageCount: number): boolean {
    return pageCount <= this.#file.freeCount;
  }

  predictMs(pageCount: number): number {
    return (2 * pageCount * this.#file.recordBytes) / this.#bytesPerMs;
  }

  save(pages: readonly number[], ended: () => void): SavedPages {
    assert(this.hasRoomFor(pages.length), `no room for ${pages.length} pages`);
    const records = this.#file.allocate(pages.length);
    const saved: DiskPages = {
      state: "saving",
      pageCount: pages.length,
      records,
      isDropped: false,
    };
    this.#all.add(saved);
    const movePage: MovePage = async (record, page) => {
      this.#engine.exportPages(this.#moveOf(page));
      await this.#file.write(record, this.#bytes);
      this.#totals.savedBytes += this.#bytes.length;
    };
    this.#enqueue(saved, { pages, records, movePage, next: "saved", ended });
    return saved;
  }

  load(saved: SavedPages, pages: readonly number[], ended: () => void): void {
    const own = this.#ownOf(saved);
    assert(own.state === "saved", `pages are loaded while they are ${own.state}`);
    own.state = "loading";
    const records = own.records.slice(own.records.length - pages.length);
    const movePage: MovePage = async (record, page) => {
      await this.#file.read(record, this.#bytes);
      this.#engine.importPages(this.#moveOf(page));
      this.#totals.loadedBytes += this.#bytes.length;
    };
    this.#enqueue(own, { pages, records, movePage, next: "loaded", ended });
  }

  unload(saved: SavedPages): void {
    const own = this.#ownOf(saved);
    assert(own.state === "loaded", `pages are unloaded while they are ${own.state}`);
    own.state = "saved";
  }

  drop(saved: SavedPages): void {
    const own = this.#ownOf(saved);
    if (own.isDropped) return;
    own.isDropped = true;
    // A copy under way frees them once it has ended.
    if (own.state !== "saving" && own.state !== "loading") this.#forget(own);
  }

  copyEnded(): Promise<void> {
    if (this.#copyCount === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const saved of this.#all) this.drop(saved);
    await this.#copies;
    await this.#file.close();
  }

  #ownOf(saved: SavedPages): DiskPages {
    const own = saved as DiskPages;
    assert(this.#all.has(own) || own.isDropped || own.state === "lost", "foreign pages");
    return own;
  }

  #moveOf(page: number) {
    return { kvGroup: KV_GROUP, pages: Int32Array.of(page), canonical: this.#bytes };
  }

  #enqueue(
    saved: DiskPages,
    copy: {
      readonly pages: readonly number[];
      readonly records: readonly number[];
      readonly movePage: MovePage;
      readonly next: "saved" | "loaded";
      readonly ended: () => void;
    },
  ): void {
    this.#copyCount += 1;
    this.#copies = this.#copies.then(async () => {
      const begunMs = this.#nowMs();
      try {
        for (const [index, record] of copy.records.entries()) {
          if (saved.isDropped) break;
          await copy.movePage(record, copy.pages[index] ?? -1);
        }
        if (!saved.isDropped) this.#noteRate(copy.records.length, this.#nowMs() - begunMs);
        saved.state = copy.next;
      } catch {
        // The disk is full or broken: the request computes its positions again.
        this.#totals.failureCount += 1;
        saved.state = "lost";
      }
      if (saved.isDropped || saved.state === "lost") this.#forget(saved);
      this.#copyCount -= 1;
      copy.ended();
      for (const wake of this.#waiters.splice(0)) wake();
    });
  }

  #noteRate(pageCount: number, tookMs: number): void {
    if (pageCount === 0) return;
    const rate = (pageCount * this.#file.recordBytes) / Math.max(tookMs, 0.001);
    this.#bytesPerMs += NEWEST_WEIGHT * (rate - this.#bytesPerMs);
  }

  #forget(saved: DiskPages): void {
    if (!this.#all.delete(saved)) return;
    this.#file.free(saved.records);
    if (!this.#file.isEmpty) return;
    this.#copies = this.#copies.then(async () => {
      // Whoever began to save meanwhile writes after this.
      if (this.#file.isEmpty) await this.#file.truncate().catch(() => {});
    });
  }
}
