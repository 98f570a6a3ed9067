// Owns the rules of the code that was published with "Fairness in Serving Large Language Models", where they depart from
// the paper: a client that comes to an empty queue is not lifted, the first output token is free, and every end of a
// request charges everybody in the batch once more. For showing what these cost; never an oracle.
import { Ticket, type AdmissionOrder, type Turn } from "@fairlane/vtc";

export class ArtifactOrder implements AdmissionOrder<string> {
  readonly name = "artifact";
  readonly spreadUnits = 0;
  readonly counters = new Map<string, number>();
  readonly #waiting = new Map<string, Ticket<string>[]>();
  readonly #running = new Set<Ticket<string>>();
  #arrivalCount = 0;

  get waitingCount(): number {
    return [...this.#waiting.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /** Of the clients with waiting requests, in tokens. */
  get spread(): number {
    const keys = this.#queued().map((id) => this.counters.get(id) ?? 0);
    return keys.length === 0 ? 0 : Math.max(...keys) - Math.min(...keys);
  }

  add(turn: Turn<string>): Ticket<string> {
    this.#arrivalCount += 1;
    const ticket = new Ticket(turn, this.#arrivalCount);
    const { tenantId } = ticket;
    const others = this.#queued().map((id) => this.counters.get(id) ?? 0);
    const queue = this.#waiting.get(tenantId) ?? [];
    if (queue.length === 0 && others.length > 0) {
      this.#charge(tenantId, Math.max(0, Math.min(...others) - (this.counters.get(tenantId) ?? 0)));
    }
    queue.push(ticket);
    this.#waiting.set(tenantId, queue);
    return ticket;
  }

  peek(): Ticket<string> | undefined {
    const [best] = this.#queued().toSorted(
      (a, b) => (this.counters.get(a) ?? 0) - (this.counters.get(b) ?? 0),
    );
    return best === undefined ? undefined : this.#waiting.get(best)?.[0];
  }

  join(ticket: Ticket<string>): void {
    ticket.state = "running";
    this.#waiting.get(ticket.tenantId)?.shift();
    this.#running.add(ticket);
    this.#charge(ticket.tenantId, ticket.turn.promptTokens);
  }

  produced(ticket: Ticket<string>, tokens: number): void {
    if (ticket.outputTokens > 0) this.#charge(ticket.tenantId, 2 * tokens);
    ticket.outputTokens += tokens;
  }

  end(ticket: Ticket<string>): void {
    ticket.state = "ended";
    for (const running of this.#running) this.#charge(running.tenantId, 2);
    this.#running.delete(ticket);
  }

  settle(): void {}

  fork(): Ticket<string> {
    throw new Error("it has no forks");
  }

  preempted(): void {
    throw new Error("it never preempts");
  }

  compareService(): number {
    return 0;
  }

  #queued(): string[] {
    return [...this.#waiting].flatMap(([id, { length }]) => (length > 0 ? [id] : []));
  }

  #charge(id: string, tokens: number): void {
    this.counters.set(id, (this.counters.get(id) ?? 0) + tokens);
  }
}
