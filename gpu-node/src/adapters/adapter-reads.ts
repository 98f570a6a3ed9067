// Owns the reading of packed adapters that are neither in pages nor in memory, several at a time, and what was read until
// it is in pages: the host tier may have no room for it. Invariants: what is read and kept here is bounded; the request
// whose turn it is never waits for a place among them.
import type { PackedAdapter } from "../engine/adapter-spec.ts";
import type { Adapter } from "./adapter.ts";
import { ADAPTER_READS_MAX } from "./limits.ts";
import type { PackedStore } from "./packed-store.ts";

export interface AdapterReadsOptions {
  readonly store: Pick<PackedStore, "get" | "has" | "read">;
  /** From any origin. */
  readonly nowUs: () => number;
  readonly moved: (adapter: Adapter, state: "cold" | "host") => void;
  /** It cannot be had any more. */
  readonly failed: (adapter: Adapter, reason: string) => void;
}

export class AdapterReads {
  readonly #options: AdapterReadsOptions;
  readonly #reading = new Set<Adapter>();
  readonly #kept = new Map<Adapter, PackedAdapter>();
  #waiters: (() => void)[] = [];

  constructor(options: AdapterReadsOptions) {
    this.#options = options;
  }

  /** Files that are being read. */
  get count(): number {
    return this.#reading.size;
  }

  /** Whether its file is being read. */
  has(adapter: Adapter): boolean {
    return this.#reading.has(adapter);
  }

  /** Its packed form, when that is in memory. */
  find(adapter: Adapter): PackedAdapter | undefined {
    return this.#options.store.get(adapter.key) ?? this.#kept.get(adapter);
  }

  /** Begins to read it; not now, unless it is urgent, when as much is being read or kept as may be. */
  begin(adapter: Adapter, isUrgent: boolean): void {
    if (this.#reading.has(adapter) || !this.#hasPlace(isUrgent)) return;
    const { store, nowUs } = this.#options;
    this.#reading.add(adapter);
    const begunUs = nowUs();
    store.read(adapter.key).then(
      (packed) => {
        adapter.readMs = (nowUs() - begunUs) / 1_000;
        this.#ended(adapter, packed, "its file is missing or damaged");
      },
      () => this.#ended(adapter, undefined, "its file cannot be read"),
    );
  }

  /** It is on its way into pages. */
  take(adapter: Adapter): void {
    this.#kept.delete(adapter);
  }

  /** Forgets what was read for requests whose turns do not come next any more. */
  keepOnly(next: ReadonlySet<Adapter>): void {
    for (const adapter of this.#kept.keys()) if (!next.has(adapter)) this.#drop(adapter);
  }

  /** Resolves when a file was read; at once when none is being read. */
  next(): Promise<void> {
    if (this.#reading.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
    });
  }

  #hasPlace(isUrgent: boolean): boolean {
    if (this.#reading.size + this.#kept.size < ADAPTER_READS_MAX) return true;
    if (!isUrgent || this.#reading.size >= 2 * ADAPTER_READS_MAX) return false;
    const last = [...this.#kept.keys()].at(-1);
    if (last !== undefined) this.#drop(last);
    return true;
  }

  #drop(adapter: Adapter): void {
    this.#kept.delete(adapter);
    if (!this.#options.store.has(adapter.key)) this.#options.moved(adapter, "cold");
  }

  #ended(adapter: Adapter, packed: PackedAdapter | undefined, reason: string): void {
    const { store, moved, failed } = this.#options;
    this.#reading.delete(adapter);
    if (packed === undefined) failed(adapter, reason);
    else {
      if (!store.has(adapter.key)) this.#kept.set(adapter, packed);
      moved(adapter, "host");
    }
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
