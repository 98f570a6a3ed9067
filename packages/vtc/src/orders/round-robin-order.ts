// Owns the baseline that is fair in requests, not in service: clients with waiting requests take turns, one request
// each. Invariant: between two requests of a client that join, every other client that waited all the time has one.
import { assert } from "@fairlane/base";
import type { AdmissionOrder } from "../order.ts";
import { Ticket, type Fork, type Turn } from "../ticket.ts";
import { TicketQueue } from "../ticket-queue.ts";

export class RoundRobinOrder<T> implements AdmissionOrder<T> {
  readonly name = "rr";
  readonly spreadUnits = 0;
  /** Clients with waiting requests; the first has its turn. */
  readonly #turns = new Map<string, TicketQueue<T>>();
  #arrivalCount = 0;
  #waitingCount = 0;

  get waitingCount(): number {
    return this.#waitingCount;
  }

  add(turn: Turn<T>): Ticket<T> {
    this.#arrivalCount += 1;
    const ticket = new Ticket(turn, this.#arrivalCount);
    this.#wait(ticket);
    return ticket;
  }

  peek(): Ticket<T> | undefined {
    for (const queue of this.#turns.values()) return queue.head;
    return undefined;
  }

  join(ticket: Ticket<T>): void {
    assert(ticket.state === "waiting", `a request that is ${ticket.state} joins`);
    ticket.state = "running";
    const queue = this.#left(ticket);
    this.#turns.delete(ticket.tenantId);
    // To the end of the round.
    if (queue.count > 0) this.#turns.set(ticket.tenantId, queue);
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
    this.#wait(ticket);
  }

  end(ticket: Ticket<T>): void {
    const wasWaiting = ticket.state === "waiting";
    ticket.state = "ended";
    if (wasWaiting && this.#left(ticket).count === 0) this.#turns.delete(ticket.tenantId);
  }

  compareService(): number {
    return 0;
  }

  #wait(ticket: Ticket<T>): void {
    const { tenantId } = ticket;
    const queue = this.#turns.get(tenantId) ?? new TicketQueue<T>(0);
    this.#turns.set(tenantId, queue);
    queue.insert(ticket);
    this.#waitingCount += 1;
  }

  #left(ticket: Ticket<T>): TicketQueue<T> {
    const queue = this.#turns.get(ticket.tenantId);
    assert(queue !== undefined, `${ticket.tenantId} has nothing waiting`);
    queue.left();
    this.#waitingCount -= 1;
    return queue;
  }
}
