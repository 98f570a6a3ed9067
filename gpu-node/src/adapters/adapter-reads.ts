// Owns the reading of packed adapters that are neither in pages nor in memory, several at a time, and what was read until
// it is in pages: the host tier may have no room for it. Invariant: what is being read or kept here is bounded, but for one
// adapter more, of the request whose turn it is.
import type { PackedAdapter } from "../engine/adapter-spec.ts";
import type { Adapter } from "./adapter.ts";
import { ADAPTER_READS_MAX } from "./limits.ts";
import type { PackedStore } from "./packed-store.ts";

export interface AdapterReadsOptions {
  readonly store: PackedStore;
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

  /** Begins to read it; later, when as much is being read or kept as may be. */
  begin(adapter: Adapter, isUrgent: boolean): void {
    const count = this.#reading.size + this.#kept.size;
    if (this.#reading.has(adapter) || count >= ADAPTER_READS_MAX + (isUrgent ? 1 : 0)) return;
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

  /** Forgets what was read for requests that have gone. */
  dropUnwanted(): void {
    for (const adapter of this.#kept.keys()) {
      if (adapter.waitingCount > 0) continue;
      this.#kept.delete(adapter);
      if (!this.#options.store.has(adapter.key)) this.#options.moved(adapter, "cold");
    }
  }

  /** Resolves when a file was read; at once when none is being read. */
  next(): Promise<void> {
    if (this.#reading.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
    });
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
