// Owns the clients of a group that have requests waiting, lowest counter first; ties go to the oldest waiting request.
// Counters mostly grow between two picks, so an entry keeps the key it was put in with until it comes to the top:
// charging a client costs nothing here. Invariant: an entry's kept key is never above its client's, by counter, then
// arrival; whoever lowers a client says so with `lowered`.
import { assert } from "@fairlane/base";
import type { Client } from "./hierarchy.ts";

export class ClientHeap<T> {
  readonly #items: Client<T>[] = [];

  get count(): number {
    return this.#items.length;
  }

  /** The clients, in no order. */
  get items(): readonly Client<T>[] {
    return this.#items;
  }

  /** The client with the lowest counter, left in place. O(log count) for every client charged since it was on top. */
  min(): Client<T> | undefined {
    for (;;) {
      const top = this.#items[0];
      if (top === undefined || !refresh(top)) return top;
      this.#sink(0);
    }
  }

  insert(client: Client<T>): void {
    assert(client.heapIndex < 0, `${client.id} waits for its turn already`);
    refresh(client);
    client.heapIndex = this.#items.length;
    this.#items.push(client);
    this.#rise(client.heapIndex);
  }

  remove(client: Client<T>): void {
    const index = client.heapIndex;
    assert(this.#items[index] === client, `${client.id} does not wait for its turn`);
    client.heapIndex = -1;
    const last = this.#items.pop();
    if (last === undefined || last === client) return;
    this.#place(last, index);
    this.#rise(index);
    this.#sink(last.heapIndex);
  }

  /** The client's counter or its oldest arrival went down. */
  lowered(client: Client<T>): void {
    if (client.heapIndex < 0 || !refresh(client)) return;
    this.#rise(client.heapIndex);
    this.#sink(client.heapIndex);
  }

  /** All counters went down by the same amount. */
  rebase(units: number): void {
    for (const client of this.#items) client.heapKey -= units;
  }

  #place(client: Client<T>, index: number): void {
    this.#items[index] = client;
    client.heapIndex = index;
  }

  #rise(from: number): void {
    let index = from;
    const client = this.#items[index];
    if (client === undefined) return;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#items[above];
      if (parent === undefined || !isBefore(client, parent)) break;
      this.#place(parent, index);
      index = above;
    }
    this.#place(client, index);
  }

  #sink(from: number): void {
    let index = from;
    const client = this.#items[index];
    if (client === undefined) return;
    for (;;) {
      const child = this.#lesserChild(index);
      if (child === undefined || !isBefore(child, client)) break;
      const below = child.heapIndex;
      this.#place(child, index);
      index = below;
    }
    this.#place(client, index);
  }

  #lesserChild(index: number): Client<T> | undefined {
    const left = this.#items[2 * index + 1];
    const right = this.#items[2 * index + 2];
    if (left === undefined || right === undefined) return left;
    return isBefore(right, left) ? right : left;
  }
}

/** Takes the client's present place in the order over; true when it had moved. */
function refresh(client: Client<unknown>): boolean {
  const { key } = client.counter;
  const arrival = client.waiting.head?.arrival ?? 0;
  if (client.heapKey === key && client.heapArrival === arrival) return false;
  client.heapKey = key;
  client.heapArrival = arrival;
  return true;
}

function isBefore(a: Client<unknown>, b: Client<unknown>): boolean {
  return a.heapKey < b.heapKey || (a.heapKey === b.heapKey && a.heapArrival < b.heapArrival);
}
