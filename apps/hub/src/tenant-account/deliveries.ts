// Owns when and how an account's outboxes are emptied: entries to the ledger, events to the tenant's webhook. One
// failing does not hold up the other, and neither gives up. Invariant: while anything waits, `nextDueMs` says when to
// run next, and `run` never rejects.
import type { Clock } from "@fairlane/base";
import { OUTBOX_DELAY_MS, OUTBOX_SPACING_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { retryPauseMs } from "../retry.ts";
import type { AppendEntries, Outbox } from "./outbox.ts";
import type { SendEvent, WebhookOutbox } from "./webhook-outbox.ts";

export interface DeliveriesOptions {
  readonly outbox: Outbox;
  readonly webhooks: WebhookOutbox;
  readonly append: AppendEntries;
  readonly send: SendEvent;
  readonly clock: Clock;
}

export class Deliveries {
  readonly #options: DeliveriesOptions;
  #ledgerDueMs: number;
  #ledgerWrittenMs = 0;
  #failureCount = 0;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
    this.#ledgerDueMs = options.clock.nowMs();
  }

  /** Entries were added: they wait for others to share their statement, longer while statements follow one another. */
  entriesAdded(): void {
    if (this.#failureCount > 0) return;
    const soonestMs = this.#options.clock.nowMs() + OUTBOX_DELAY_MS;
    this.#ledgerDueMs = Math.max(soonestMs, this.#ledgerWrittenMs + OUTBOX_SPACING_MS);
  }

  /** When to run next; undefined when nothing waits. */
  nextDueMs(): number | undefined {
    const { outbox, webhooks } = this.#options;
    const dueMs = [outbox.isEmpty ? undefined : this.#ledgerDueMs, webhooks.nextDueMs()];
    const known = dueMs.filter((one) => one !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  /** Delivers what it can. */
  async run(): Promise<void> {
    const { webhooks, send, clock } = this.#options;
    await Promise.all([this.#writeLedger(), webhooks.flush(send, clock)]);
  }

  async #writeLedger(): Promise<void> {
    const { outbox, append, clock } = this.#options;
    if (outbox.isEmpty) return;
    try {
      this.#ledgerWrittenMs = clock.nowMs();
      await outbox.flush(append);
      this.#failureCount = 0;
    } catch (error) {
      this.#failureCount += 1;
      const failureCount = this.#failureCount;
      this.#ledgerDueMs = clock.nowMs() + retryPauseMs(failureCount);
      logEvent("warn", "ledger_write_failed", { failureCount, reason: reasonOf(error) });
    }
  }
}
