// Owns what the scheduler needs of the place where pages of preempted requests are kept. Copies go on beside the steps;
// what is there is known at once, what comes in is known when `ended` is called. Invariant: pages are read from `save`,
// and written to from `load`, until `ended` was called, and by then never again.

/** "lost": nothing can be had back, because a copy failed. */
export type SavedState = "saving" | "saved" | "loading" | "loaded" | "lost";

/** The pages of one request, there or on their way. */
export interface SavedPages {
  readonly state: SavedState;
  readonly pageCount: number;
}

/** Since the start. */
export interface SwapTotals {
  readonly savedBytes: number;
  readonly loadedBytes: number;
  /** Copies that failed; their requests were computed again. */
  readonly failureCount: number;
}

export interface SwapSpace {
  readonly totals: SwapTotals;
  /** Copies that have not ended. */
  readonly copyCount: number;
  hasRoomFor(pageCount: number): boolean;
  /** Predicted time to copy so many pages out and in again. */
  predictMs(pageCount: number): number;
  /** Begins to copy pages out. The caller has checked that there is room. */
  save(pages: readonly number[], ended: () => void): SavedPages;
  /** Begins to copy the last of the saved pages in, as many as there are `pages`. */
  load(saved: SavedPages, pages: readonly number[], ended: () => void): void;
  /** Notes that what was loaded is not used: it is only saved again. */
  unload(saved: SavedPages): void;
  /** Forgets saved pages; a copy under way ends early, and says so. */
  drop(saved: SavedPages): void;
  /** Resolves when a copy under way has ended; at once when there is none. */
  copyEnded(): Promise<void>;
  /** Ends copies under way and forgets everything. Idempotent. */
  close(): Promise<void>;
}
