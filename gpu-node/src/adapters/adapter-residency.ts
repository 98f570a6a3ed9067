// Owns which adapters the engine worker knows and where each one is: pages and slots of the engine, the requests that
// need them, and their eviction. How they come in is adapter-loads.ts's. Invariants: an adapter that a running request
// uses is never evicted; its slot is another's only once no submitted step names it; idle ones stay until pressure.
import { assert } from "@fairlane/base";
import type { PagePool } from "../memory/page-pool.ts";
import type { PoolRoom } from "../memory/pool-room.ts";
import { Adapter, type AdapterReadiness, type WantedAdapter } from "./adapter.ts";
import type { AdapterState } from "./adapter-library.ts";
import { AdapterHolds } from "./adapter-holds.ts";
import { AdapterLoads, type AdapterEngine } from "./adapter-loads.ts";
import { AdapterSlots } from "./adapter-slots.ts";
import { AdapterCounts, type AdapterUse } from "./adapter-totals.ts";
import type { PackedStore } from "./packed-store.ts";

export interface AdapterResidencyOptions {
  readonly engine: AdapterEngine;
  readonly pool: PagePool;
  readonly room: PoolRoom;
  readonly store: PackedStore;
  readonly nowUs: () => number;
  /** Distinct adapters of the running set; a request of another one does not join it. */
  readonly distinctCountMax: number;
  /** Gives pages back that others hold for later; false when there are none. */
  readonly unload?: () => boolean;
  readonly onState?: (digest: string, state: AdapterState) => void;
  /** Told of adapters whose bytes are lost: no request may be submitted with them any more. */
  readonly onLost?: (digest: string) => void;
}

export class AdapterResidency {
  readonly #options: AdapterResidencyOptions;
  readonly #adapters = new Map<string, Adapter>();
  readonly #holds = new AdapterHolds((adapter) => this.#setCandidate(adapter));
  readonly #counts = new AdapterCounts();
  readonly #slots: AdapterSlots;
  readonly #loads: AdapterLoads;
  #failed = new Map<string, string>();

  constructor(options: AdapterResidencyOptions) {
    this.#options = options;
    this.#slots = new AdapterSlots(options.engine);
    this.#loads = new AdapterLoads({
      ...options,
      takeSlot: () => this.#slots.take(),
      held: this.#holds,
      giveUp: (head) => this.giveUp(head.key) || options.unload?.() === true,
      moved: (adapter, state) => this.#moved(adapter, state),
      failed: (adapter, reason) => this.#fail(adapter, reason),
    });
    options.store.watchDropped((digest) => {
      const adapter = this.#adapters.get(digest);
      if (adapter?.state === "host") this.#enter(adapter, "cold");
    });
  }

  /** Their packed forms outside of the pool. */
  get store(): PackedStore {
    return this.#options.store;
  }

  get count(): number {
    return this.#adapters.size;
  }

  /** True when requests wait for adapters that have to be brought in. */
  get lacksSome(): boolean {
    return this.#holds.lackingCount > 0;
  }

  /** True while something is on its way into pages. */
  get isBusy(): boolean {
    return this.#loads.isBusy;
  }

  /** Resolves when a file was read; at once while pages can be copied. */
  nextMove(): Promise<void> {
    return this.#loads.nextMove();
  }

  get use(): AdapterUse {
    return this.#counts.useWith(this.#options.store);
  }

  /** One entry for each reference that adapters have to pages. O(pages), for checks only. */
  get entries(): readonly { readonly page: number }[] {
    const held = [...this.#loads.entries];
    for (const { state, pages, pinCount } of this.#adapters.values()) {
      if (state !== "resident") continue;
      for (const page of pages) {
        held.push({ page });
        if (pinCount > 0) held.push({ page });
      }
    }
    return held;
  }

  /** Takes in an adapter whose packed form the store has, and says where it is. One that was about to go stays. */
  add(digest: string, pageCount: number): AdapterState {
    const known = this.#adapters.get(digest);
    if (known !== undefined) {
      known.isRemoved = false;
      return known.state;
    }
    assert(pageCount >= 1, `an adapter of ${pageCount} pages`);
    const { pageBytes } = this.#options.engine.info;
    const state = this.#stateOutside(digest);
    const shape = { digest, pageCount, pageBytes };
    this.#adapters.set(digest, new Adapter(shape, state, (adapter) => this.#evicted(adapter)));
    return state;
  }

  /** Forgets an adapter, on disk as well, once no request needs it. */
  remove(digest: string): void {
    const adapter = this.#adapters.get(digest);
    if (adapter === undefined) return;
    adapter.isRemoved = true;
    this.#forgetUnused(adapter);
  }

  /** True when requests may be submitted with it. */
  has(digest: string): boolean {
    return this.#adapters.get(digest)?.isRemoved === false;
  }

  /** Pages that it takes; 0 for one that is not known. */
  pagesOf(digest: string): number {
    return this.#adapters.get(digest)?.pageCount ?? 0;
  }

  /** A request waits for its turn. */
  want({ digest, isPinned }: WantedAdapter): void {
    const adapter = this.#get(digest);
    adapter.isPinned = isPinned ?? adapter.isPinned;
    adapter.waitingCount += 1;
    if (adapter.waitingCount === 1) this.#holds.refresh(adapter);
  }

  /** A waiting request has joined or ended. */
  unwant(digest: string): void {
    const adapter = this.#get(digest);
    adapter.waitingCount -= 1;
    assert(adapter.waitingCount >= 0, `${digest} is waited for by ${adapter.waitingCount}`);
    if (adapter.waitingCount > 0) return;
    this.#holds.refresh(adapter);
    this.#forgetUnused(adapter);
  }

  readinessOf(digest: string): AdapterReadiness {
    const adapter = this.#get(digest);
    if (adapter.state === "resident") {
      const isWithinBound =
        adapter.pinCount > 0 || this.#counts.runningCount < this.#options.distinctCountMax;
      return isWithinBound ? "ready" : "blocked";
    }
    return this.#loads.lacksPages(adapter) ? "blocked" : "coming";
  }

  /** A request joins with it: it stays until `unpin`. @returns the slot that rows name */
  pin(digest: string): number {
    const adapter = this.#get(digest);
    assert(adapter.state === "resident", `${digest} is pinned while it is ${adapter.state}`);
    adapter.pinCount += 1;
    if (adapter.pinCount > 1) return adapter.slot;
    this.#counts.pinned(adapter, true);
    for (const page of adapter.pages) this.#options.pool.retain(page);
    this.#holds.refresh(adapter);
    this.#setCandidate(adapter);
    return adapter.slot;
  }

  /** Notes that a request really runs with a pinned adapter. */
  noteUse(digest: string): void {
    const { entry } = this.#get(digest);
    if (entry !== null) this.#options.room.evictor.noteUse(entry);
  }

  /** A request has left the running set. Steps in flight may still name the slot. */
  unpin(digest: string): void {
    const { pool } = this.#options;
    const adapter = this.#get(digest);
    adapter.pinCount -= 1;
    assert(adapter.pinCount >= 0, `${digest} is pinned ${adapter.pinCount} times`);
    if (adapter.pinCount > 0) return;
    this.#counts.pinned(adapter, false);
    for (const page of adapter.pages) pool.release(page);
    adapter.lastStepId = pool.submittedStepId;
    this.#holds.refresh(adapter);
    this.#setCandidate(adapter);
    this.#forgetUnused(adapter);
  }

  /**
   * Begins loads, before a step is made up.
   * @param headDigest of the request whose turn it is
   * @param nextDigests of those whose turns come next, in their order
   */
  prepare(headDigest: string | undefined, nextDigests: readonly string[] = []): void {
    this.#vacateDone();
    const head = headDigest === undefined ? null : this.#get(headDigest);
    const next = new Set(nextDigests.map((digest) => this.#get(digest)));
    if (head !== null) next.add(head);
    this.#holds.setNext(next);
    this.#loads.prepare(head, next);
  }

  /** Copies pages, after a step was submitted; `budgetUs` null: no step computes. */
  copy(headDigest: string | undefined, budgetUs: number | null): void {
    if (!this.#loads.isLoading) return;
    const head = headDigest === undefined ? undefined : this.#adapters.get(headDigest);
    this.#loads.copy(head ?? null, budgetUs);
  }

  /** Lets go what is kept for a waiting request, but for that of the one whose turn it is; false when nothing is. */
  giveUp(headDigest?: string): boolean {
    return this.#holds.giveUp(headDigest);
  }

  /** Adapters that cannot be had any more, with the reason; their waiting requests are to be ended. */
  takeFailed(): ReadonlyMap<string, string> {
    const failed = this.#failed;
    if (failed.size > 0) this.#failed = new Map();
    return failed;
  }

  #get(digest: string): Adapter {
    const adapter = this.#adapters.get(digest);
    assert(adapter !== undefined, `adapter ${digest} is not known`);
    return adapter;
  }

  #stateOutside(digest: string): "host" | "cold" {
    return this.#options.store.has(digest) ? "host" : "cold";
  }

  #enter(adapter: Adapter, state: AdapterState): void {
    adapter.state = state;
    this.#holds.refresh(adapter);
    this.#options.onState?.(adapter.key, state);
  }

  #moved(adapter: Adapter, state: AdapterState): void {
    if (state === "host") this.#counts.totals.readCount += 1;
    if (state === "loading") this.#counts.pages += adapter.pageCount;
    this.#enter(adapter, state);
    if (state === "resident") {
      this.#counts.loaded(adapter);
      this.#setCandidate(adapter);
    }
    this.#forgetUnused(adapter);
  }

  #setCandidate({ entry, pinCount, isHeld }: Adapter): void {
    if (entry !== null) this.#options.room.evictor.setCandidate(entry, pinCount === 0 && !isHeld);
  }

  /** The evictor chose it, or nobody will ask for it any more. */
  #evicted(adapter: Adapter): void {
    assert(adapter.pinCount === 0 && adapter.state === "resident", `${adapter.key} is in use`);
    adapter.entry = null;
    for (const page of adapter.takePages()) this.#options.pool.evict(page);
    this.#counts.evicted(adapter);
    this.#enter(adapter, "evicting");
    this.#slots.vacate(adapter);
    this.#vacateDone();
  }

  /** Slots that no submitted step names any more are free. */
  #vacateDone(): void {
    for (const adapter of this.#slots.takeVacated(this.#options.pool.completedStepId)) {
      this.#enter(adapter, this.#stateOutside(adapter.key));
      this.#forgetUnused(adapter);
    }
  }

  /** Its bytes are lost: requests that wait for it cannot be served. */
  #fail(adapter: Adapter, reason: string): void {
    this.#counts.totals.failureCount += 1;
    if (adapter.state === "loading") {
      this.#counts.pages -= adapter.pageCount;
      this.#slots.free(adapter);
    }
    adapter.isRemoved = true;
    this.#enter(adapter, "cold");
    this.#options.onLost?.(adapter.key);
    if (adapter.waitingCount > 0) this.#failed.set(adapter.key, reason);
    this.#forgetUnused(adapter);
  }

  #forgetUnused(adapter: Adapter): void {
    if (!adapter.isRemoved || !adapter.isUnused || this.#loads.isReading(adapter)) return;
    if (adapter.state === "evicting") return;
    if (adapter.state === "resident") {
      if (adapter.entry !== null) this.#options.room.evictor.remove(adapter.entry);
      return this.#evicted(adapter);
    }
    if (!this.#adapters.delete(adapter.key)) return;
    void this.#options.store.remove(adapter.key).catch(() => {});
  }
}
