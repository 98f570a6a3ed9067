// Owns the one answer to "does this node take work, and if not, why": loading, ready, stuck, draining, failed, and a
// full usage journal for billed work. Invariant: draining and failed are never left again.
import type { ErrorValue } from "@fairlane/protocol";

export type NodePhase = "loading" | "ready" | "draining" | "failed";

/** Why work is not taken. */
export interface NotReady {
  readonly reason: "loading" | "stuck" | "draining" | "failed" | "journal_full";
  readonly detail: string;
}

/** What a client is told to wait when the node may soon take work again. */
const RETRY_AFTER_MS = 1_000;

export class Readiness {
  #phase: NodePhase = "loading";
  #detail = "the node is starting";
  #isStuck = false;
  readonly #journalFullReason: () => string | undefined;

  /** @param journalFullReason why the usage journal takes no more, asked at each look */
  constructor(journalFullReason: () => string | undefined) {
    this.#journalFullReason = journalFullReason;
  }

  get phase(): NodePhase {
    return this.#phase;
  }

  /** Says what start-up is busy with. */
  loading(detail: string): void {
    if (this.#phase === "loading") this.#detail = detail;
  }

  opened(): void {
    if (this.#phase === "loading") this.#phase = "ready";
  }

  /** The running step passed its time bound, or came back. */
  stuck(isStuck: boolean): void {
    this.#isStuck = isStuck;
  }

  drain(): void {
    if (this.#phase !== "failed") this.#phase = "draining";
    this.#detail = "the node finishes what it has and stops";
  }

  fail(detail: string): void {
    this.#phase = "failed";
    this.#detail = detail;
  }

  /** Undefined when the node takes any work. */
  get notReady(): NotReady | undefined {
    if (this.#phase !== "ready") return { reason: this.#phase, detail: this.#detail };
    if (this.#isStuck) {
      return { reason: "stuck", detail: "the running step has passed its time bound" };
    }
    const detail = this.#journalFullReason();
    return detail === undefined ? undefined : { reason: "journal_full", detail };
  }

  /** The error for new work, or null. Work that is not billed does not need the journal. */
  refusal(work: { readonly isBilled: boolean }): ErrorValue | null {
    const { notReady } = this;
    if (!notReady || (notReady.reason === "journal_full" && !work.isBilled)) return null;
    const message = `The node takes no requests now: ${notReady.detail}.`;
    const code = notReady.reason === "draining" ? "draining" : "overloaded";
    return { code, message, param: null, retryAfterMs: RETRY_AFTER_MS };
  }
}
