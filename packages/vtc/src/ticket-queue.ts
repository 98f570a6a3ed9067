// Owns the waiting tickets of one client in the order of their arrival. Tickets that stopped waiting are skipped when
// they come to the head, so that leaving the middle costs nothing. Invariants: the head waits, unless the queue is
// empty; no more than half of the entries, and a few, are of tickets that wait no longer.
import type { Ticket } from "./ticket.ts";

/** Entries of tickets that wait no longer which are left in place at least. */
const SLACK_ENTRIES = 32;

export class TicketQueue<T> {
  readonly #bit: number;
  #entries: Ticket<T>[] = [];
  #headIndex = 0;
  #count = 0;

  /** @param depth of the client in the hierarchy, 0 for tenants */
  constructor(depth: number) {
    this.#bit = 1 << depth;
  }

  /** Tickets that wait. */
  get count(): number {
    return this.#count;
  }

  get head(): Ticket<T> | undefined {
    let entry = this.#entries[this.#headIndex];
    while (entry !== undefined && entry.state !== "waiting") {
      entry.queuedMask &= ~this.#bit;
      this.#headIndex += 1;
      entry = this.#entries[this.#headIndex];
    }
    return entry;
  }

  /** Adds a ticket that waits: at the end, or before younger ones when it was preempted. */
  insert(ticket: Ticket<T>): void {
    this.#count += 1;
    if ((ticket.queuedMask & this.#bit) !== 0) return;
    ticket.queuedMask |= this.#bit;
    let index = this.#entries.length;
    while (index > this.#headIndex && (this.#entries[index - 1]?.arrival ?? 0) > ticket.arrival) {
      index -= 1;
    }
    if (index === this.#entries.length) this.#entries.push(ticket);
    else this.#entries.splice(index, 0, ticket);
  }

  /** Counts a ticket out whose state is no longer "waiting". */
  left(): void {
    this.#count -= 1;
    const kept = this.#entries.length;
    if (kept > 2 * this.#count + SLACK_ENTRIES) this.#compact();
  }

  /** Waiting tickets in the order of their arrival. */
  *[Symbol.iterator](): Generator<Ticket<T>> {
    for (let index = this.#headIndex; index < this.#entries.length; index++) {
      const entry = this.#entries[index];
      if (entry?.state === "waiting") yield entry;
    }
  }

  #compact(): void {
    const kept: Ticket<T>[] = [];
    for (let index = this.#headIndex; index < this.#entries.length; index++) {
      const entry = this.#entries[index];
      if (entry === undefined) continue;
      if (entry.state === "waiting") kept.push(entry);
      else entry.queuedMask &= ~this.#bit;
    }
    this.#entries = kept;
    this.#headIndex = 0;
  }
}
