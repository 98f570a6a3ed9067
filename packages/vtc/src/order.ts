// Owns the interface of every order of admission: virtual counters and the baselines they are compared with. Who may
// run at all, and whether a request fits, is the caller's. Invariant: each order keeps the requests of one client in
// the order of their arrival, unless it is said to look at cached prefixes.
import type { JoinedPrompt } from "./accounts.ts";
import type { PromptCost } from "./cost.ts";
import type { Fork, Ticket, Turn } from "./ticket.ts";

export interface AdmissionOrder<T> {
  readonly name: string;
  readonly waitingCount: number;
  /** How far the service counts of waiting tenants are apart, in weighted units; 0 where none are kept. */
  readonly spreadUnits: number;
  /** Takes a request in, to wait for its turn; null when the order refuses it, now and for good. */
  add(turn: Turn<T>): Ticket<T> | null;
  /** The request whose turn it is, left waiting. When it does not fit, nobody is admitted in its place. */
  peek(): Ticket<T> | undefined;
  /**
   * The first request that may join now, of a client whose counter is at most `slackUnits` above the lowest of its level.
   * Absent in orders without counters: there nobody is passed over.
   */
  peekWithin?(slackUnits: number, mayJoin: (ticket: Ticket<T>) => boolean): Ticket<T> | undefined;
  /** A waiting request joins the running set; its prompt is charged, unless it was before. */
  join(ticket: Ticket<T>, prompt: JoinedPrompt): void;
  /**
   * A further answer to the prompt of a running request begins to run beside it: its outputs are charged as any, and of
   * the prompt what it computes itself.
   */
  fork(ticket: Ticket<T>, fork: Fork<T>): Ticket<T>;
  /** The engine computed output tokens of a running request; counted from the next `settle` on. */
  produced(ticket: Ticket<T>, tokens: number): void;
  /** Charges what was produced since the last time: once per step. */
  settle(): void;
  /** A running request was preempted: it waits again, before younger requests of its client. */
  preempted(ticket: Ticket<T>): void;
  /**
   * A request has ended, waiting or running.
   * @param prompt what of it was computed, each token once, and what came from the cache; zeros when it never joined
   */
  end(ticket: Ticket<T>, prompt: PromptCost): void;
  /** Of two running requests, which one's client was served more: above 0 the first. 0 where the order has no say. */
  compareService(a: Ticket<T>, b: Ticket<T>): number;
}
