// Owns a first-in first-out queue with a hard capacity: a full queue refuses, it never grows or drops.
// A ring buffer, so push and shift are O(1) and allocate nothing once warm.
import { assert } from "./assert.ts";

export class BoundedQueue<T> {
  readonly capacity: number;
  readonly #items: (T | undefined)[];
  #head = 0;
  #count = 0;

  /** @param capacity most items held at once, >= 1 */
  constructor(capacity: number) {
    assert(
      Number.isSafeInteger(capacity) && capacity >= 1,
      `capacity must be >= 1, got ${capacity}`,
    );
    this.capacity = capacity;
    this.#items = new Array<T | undefined>(capacity);
  }

  get count(): number {
    return this.#count;
  }

  /** Adds at the tail; false when full (nothing changes). */
  push(item: T): boolean {
    if (this.#count === this.capacity) return false;
    this.#items[(this.#head + this.#count) % this.capacity] = item;
    this.#count += 1;
    return true;
  }

  /** The head, left in place. */
  peek(): T | undefined {
    return this.#count === 0 ? undefined : this.#items[this.#head];
  }

  /** Takes the head. */
  shift(): T | undefined {
    if (this.#count === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.capacity;
    this.#count -= 1;
    return item;
  }

  /** Removes every item that matches, keeping the order of the rest; returns what was removed. O(count). */
  removeWhere(matches: (item: T) => boolean): T[] {
    const removed: T[] = [];
    const countBefore = this.#count;
    for (let i = 0; i < countBefore; i++) {
      const item = this.shift() as T;
      if (matches(item)) removed.push(item);
      else this.push(item);
    }
    return removed;
  }
}
