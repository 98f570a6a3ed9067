// Owns the baseline without fairness: first come, first served over all clients. With a rate limit it is the usual
// quota: a client beyond its requests per minute is refused. Invariant: requests join in the order of arrival.
import { assert } from "@fairlane/base";
import { CLIENTS_MAX, REQUESTS_PER_MINUTE_MAX } from "../limits.ts";
import type { AdmissionOrder } from "../order.ts";
import { Ticket, type Fork, type Turn } from "../ticket.ts";
import { TicketQueue } from "../ticket-queue.ts";

const MINUTE_MS = 60_000;

export class FcfsOrder<T> implements AdmissionOrder<T> {
  readonly name: string;
  readonly spreadUnits = 0;
  readonly #requestsPerMinute: number | null;
  readonly #queue = new TicketQueue<T>(0);
  /** When each client's requests of the last minute were taken, oldest first. */
  readonly #takenAtMs = new Map<string, number[]>();
  #arrivalCount = 0;

  /** @param requestsPerMinute of a client; null: no limit */
  constructor(requestsPerMinute: number | null = null) {
    assert(
      requestsPerMinute === null ||
        (Number.isInteger(requestsPerMinute) &&
          requestsPerMinute >= 1 &&
          requestsPerMinute <= REQUESTS_PER_MINUTE_MAX),
      `requestsPerMinute must be 1 .. ${REQUESTS_PER_MINUTE_MAX}, got ${requestsPerMinute}`,
    );
    this.name = requestsPerMinute === null ? "fcfs" : `rpm${requestsPerMinute}`;
    this.#requestsPerMinute = requestsPerMinute;
  }

  get waitingCount(): number {
    return this.#queue.count;
  }

  add(turn: Turn<T>): Ticket<T> | null {
    if (!this.#isWithinRate(turn)) return null;
    this.#arrivalCount += 1;
    const ticket = new Ticket(turn, this.#arrivalCount);
    this.#queue.insert(ticket);
    return ticket;
  }

  peek(): Ticket<T> | undefined {
    return this.#queue.head;
  }

  join(ticket: Ticket<T>): void {
    assert(ticket.state === "waiting", `a request that is ${ticket.state} joins`);
    ticket.state = "running";
    this.#queue.left();
  }

  fork(ticket: Ticket<T>, { request }: Fork<T>): Ticket<T> {
    this.#arrivalCount += 1;
    return ticket.fork(request, this.#arrivalCount);
  }

  produced(): void {}

  settle(): void {}

  preempted(ticket: Ticket<T>): void {
    assert(ticket.state === "running", `a request that is ${ticket.state} is preempted`);
    ticket.state = "waiting";
    this.#queue.insert(ticket);
  }

  end(ticket: Ticket<T>): void {
    const wasWaiting = ticket.state === "waiting";
    ticket.state = "ended";
    if (wasWaiting) this.#queue.left();
  }

  compareService(): number {
    return 0;
  }

  #isWithinRate({ path, nowMs }: Turn<T>): boolean {
    const limit = this.#requestsPerMinute;
    if (limit === null) return true;
    const [tenantId = ""] = path;
    const recent = (this.#takenAtMs.get(tenantId) ?? []).filter((at) => at > nowMs - MINUTE_MS);
    const isWithin = recent.length < limit;
    if (isWithin) recent.push(nowMs);
    // The map stays in the order of last use, and the client unused for longest goes.
    this.#takenAtMs.delete(tenantId);
    this.#takenAtMs.set(tenantId, recent);
    if (this.#takenAtMs.size > CLIENTS_MAX) this.#takenAtMs.delete(oldestOf(this.#takenAtMs));
    return isWithin;
  }
}

function oldestOf(map: ReadonlyMap<string, unknown>): string {
  for (const key of map.keys()) return key;
  return "";
}
