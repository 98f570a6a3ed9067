// Owns the order in which candidates of one owner would be evicted: a binary heap that entries can also leave from the
// middle, in O(log n). What an entry is worth is eviction.ts's. Invariant: an entry knows its place, or -1 outside.
import { assert } from "@fairlane/base";

/** What the queue needs of an entry; both fields are the queue's to read, `at` is its to write. */
export interface QueueEntry {
  worth: number;
  /** Breaks ties: the one used earlier goes first. */
  usedAt: number;
  at: number;
}

export class EvictionQueue<Entry extends QueueEntry> {
  readonly #heap: Entry[] = [];

  get count(): number {
    return this.#heap.length;
  }

  /** The entry that is worth least; undefined when there is none. */
  get first(): Entry | undefined {
    return this.#heap[0];
  }

  add(entry: Entry): void {
    assert(entry.at === -1, "the entry is queued already");
    this.#place(entry, this.#heap.length);
    this.#rise(entry);
  }

  remove(entry: Entry): void {
    const { at } = entry;
    assert(this.#heap[at] === entry, "the entry is not queued here");
    const last = this.#heap.pop();
    entry.at = -1;
    if (last === undefined || last === entry) return;
    this.#place(last, at);
    this.#rise(last);
    this.#sink(last);
  }

  /** Gives every entry its worth anew. O(entries). */
  orderAnew(worthOf: (entry: Entry) => number): void {
    for (const entry of this.#heap) entry.worth = worthOf(entry);
    for (let at = (this.#heap.length >>> 1) - 1; at >= 0; at--) {
      const entry = this.#heap[at];
      if (entry !== undefined) this.#sink(entry);
    }
  }

  #place(entry: Entry, at: number): void {
    this.#heap[at] = entry;
    entry.at = at;
  }

  #rise(entry: Entry): void {
    while (entry.at > 0) {
      const parent = this.#heap[(entry.at - 1) >>> 1];
      if (parent === undefined || !goesFirst(entry, parent)) return;
      this.#swap(entry, parent);
    }
  }

  #sink(entry: Entry): void {
    for (;;) {
      const left = this.#heap[2 * entry.at + 1];
      const right = this.#heap[2 * entry.at + 2];
      if (left === undefined) return;
      const child = right !== undefined && goesFirst(right, left) ? right : left;
      if (!goesFirst(child, entry)) return;
      this.#swap(child, entry);
    }
  }

  #swap(one: Entry, other: Entry): void {
    const { at } = one;
    this.#place(one, other.at);
    this.#place(other, at);
  }
}

function goesFirst(one: QueueEntry, other: QueueEntry): boolean {
  return one.worth < other.worth || (one.worth === other.worth && one.usedAt < other.usedAt);
}
