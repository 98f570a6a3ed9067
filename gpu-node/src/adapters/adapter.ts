// Owns the record of one adapter in the engine worker: where it is, what it holds there, and who needs it. The moves between
// its states are adapter-residency.ts's:
//   cold -> host -> loading -> resident -> evicting -> host | cold
// Invariant: pages and a slot are held exactly while loading or resident; the slot until evicting has ended.
import type { EvictionEntry } from "../memory/eviction.ts";
import type { Kept } from "../memory/pool-room.ts";
import type { AdapterState } from "./adapter-library.ts";
import { ADAPTER_PINNED_COST_RATIO } from "./limits.ts";

/** One owner for all: together they have one floor and one cap in the pool. */
const OWNER = "adapters";
/** A load that was never measured: some pages from memory. */
const LOAD_MS_GUESS = 5;
const NO_PAGES = new Int32Array(0);

/**
 * Whether a request may join: its adapter is in pages; is on its way; or waits for others, for pages or for the bound on
 * distinct adapters.
 */
export type AdapterReadiness = "ready" | "coming" | "blocked";

/** What a request says of its adapter. */
export interface WantedAdapter {
  readonly digest: string;
  /** Absent: as it was. */
  readonly isPinned?: boolean;
}

export interface AdapterShape {
  readonly digest: string;
  readonly pageCount: number;
  readonly pageBytes: number;
}

export class Adapter implements Kept {
  readonly kind = "adapter";
  readonly owner = OWNER;
  readonly key: string;
  readonly bytes: number;
  readonly pageCount: number;
  state: AdapterState;
  /** -1: none. */
  slot = -1;
  pages: Int32Array = NO_PAGES;
  /** Running requests. */
  pinCount = 0;
  /** Requests that wait to join, preempted ones included. */
  waitingCount = 0;
  /** Kept for requests that wait, until somebody more urgent needs the pages. */
  isHeld = false;
  /** Its owner wants it near: others make room first. */
  isPinned = false;
  /** Its last name is gone; it goes with its last request. */
  isRemoved = false;
  /** The last step that may name its slot. */
  lastStepId = 0;
  /** Measured the last time: reading and copying, without the waits between. */
  loadMs = LOAD_MS_GUESS;
  /** Of that, reading its file this time. */
  readMs = 0;
  entry: EvictionEntry<Kept> | null = null;
  readonly #onEvicted: (adapter: Adapter) => void;

  constructor(shape: AdapterShape, state: AdapterState, onEvicted: (adapter: Adapter) => void) {
    this.key = shape.digest;
    this.pageCount = shape.pageCount;
    this.bytes = shape.pageCount * shape.pageBytes;
    this.state = state;
    this.#onEvicted = onEvicted;
  }

  get costToBringBackMs(): number {
    return this.isPinned ? this.loadMs * ADAPTER_PINNED_COST_RATIO : this.loadMs;
  }

  /** Nobody runs with it, waits for it or brings it in. */
  get isUnused(): boolean {
    return this.pinCount === 0 && this.waitingCount === 0 && this.state !== "loading";
  }

  /** Its pages are given back; there are none from now on. */
  takePages(): Int32Array {
    const { pages } = this;
    this.pages = NO_PAGES;
    return pages;
  }

  evicted(): void {
    this.#onEvicted(this);
  }
}
