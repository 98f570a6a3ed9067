// Owns a swap space in memory whose copies end when a test says so, or fail. A copy touches its pages only then, so that
// a page that was given away too early is noticed.
import { assert } from "@fairlane/base";
import type { Engine } from "../../engine/engine.ts";
import type { SavedPages, SavedState, SwapSpace } from "../../memory/swap-space.ts";

interface KeptPages extends SavedPages {
  state: SavedState;
  readonly bytes: Uint8Array;
  isDropped: boolean;
}

export interface MemorySwapOptions {
  readonly engine: Engine;
  readonly pageCountMax?: number;
  readonly pageMs?: number;
}

export class MemorySwap implements SwapSpace {
  readonly totals = { savedBytes: 0, loadedBytes: 0, failureCount: 0 };
  readonly #engine: Engine;
  readonly #pageCountMax: number;
  readonly #pageMs: number;
  readonly #kept = new Set<KeptPages>();
  readonly #copies: ((fails: boolean) => void)[] = [];

  constructor({ engine, pageCountMax = 1_000, pageMs = 0 }: MemorySwapOptions) {
    this.#engine = engine;
    this.#pageCountMax = pageCountMax;
    this.#pageMs = pageMs;
  }

  get copyCount(): number {
    return this.#copies.length;
  }

  /** Pages that take up room. */
  get keptCount(): number {
    return [...this.#kept].reduce((sum, { pageCount }) => sum + pageCount, 0);
  }

  hasRoomFor(pageCount: number): boolean {
    return this.keptCount + pageCount <= this.#pageCountMax;
  }

  predictMs(pageCount: number): number {
    return pageCount * this.#pageMs;
  }

  save(pages: readonly number[], ended: () => void): SavedPages {
    assert(this.hasRoomFor(pages.length), "no room");
    const bytes = new Uint8Array(pages.length * this.#engine.canonicalPageBytes(0));
    const pageCount = pages.length;
    const kept: KeptPages = { state: "saving", pageCount, bytes, isDropped: false };
    this.#kept.add(kept);
    this.#copies.push((fails) => {
      const move = { kvGroup: 0, pages: Int32Array.from(pages), canonical: bytes };
      this.#engine.exportPages(move);
      this.totals.savedBytes += bytes.length;
      this.#end(kept, fails ? "lost" : "saved", ended);
    });
    return kept;
  }

  load(saved: SavedPages, pages: readonly number[], ended: () => void): void {
    const kept = saved as KeptPages;
    assert(this.#kept.has(kept) && kept.state === "saved", `pages loaded while ${kept.state}`);
    kept.state = "loading";
    this.#copies.push((fails) => {
      const first = (kept.pageCount - pages.length) * this.#engine.canonicalPageBytes(0);
      const canonical = kept.bytes.subarray(first);
      this.#engine.importPages({ kvGroup: 0, pages: Int32Array.from(pages), canonical });
      this.totals.loadedBytes += canonical.length;
      this.#end(kept, fails ? "lost" : "loaded", ended);
    });
  }

  unload(saved: SavedPages): void {
    const kept = saved as KeptPages;
    assert(this.#kept.has(kept) && kept.state === "loaded", `pages unloaded while ${kept.state}`);
    kept.state = "saved";
  }

  drop(saved: SavedPages): void {
    const kept = saved as KeptPages;
    kept.isDropped = true;
    if (kept.state !== "saving" && kept.state !== "loading") this.#kept.delete(kept);
  }

  copyEnded(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    while (this.runOne(true));
    return Promise.resolve();
  }

  /** Ends the oldest copy; false when there is none. */
  runOne(fails = false): boolean {
    const copy = this.#copies.shift();
    copy?.(fails);
    return copy !== undefined;
  }

  #end(kept: KeptPages, state: SavedState, ended: () => void): void {
    kept.state = state;
    if (state === "lost") this.totals.failureCount += 1;
    if (kept.isDropped || state === "lost") this.#kept.delete(kept);
    ended();
  }
}
