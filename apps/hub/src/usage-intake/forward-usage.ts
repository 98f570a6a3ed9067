// Owns the way of durable usage to the accounts: each tenant's packs in order, several tenants at a time, a tenant
// whose account fails pausing without holding up the others. Invariant: a pack is dropped only when its account's
// watermark covers it, so a crash anywhere repeats work and loses none.
import type { Clock } from "@fairlane/base";
import type { TenantAccountRpc } from "@fairlane/protocol";
import { FORWARD_ROUNDS_MAX, FORWARD_TENANTS_MAX, SETTLE_TIMEOUT_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { retryPauseMs, withTimeout } from "../retry.ts";
import type { PackStore } from "./pack-store.ts";

export interface ForwardOptions {
  readonly store: PackStore;
  /** A fresh stub: one that failed once fails for good. */
  readonly account: (tenantId: string) => Pick<TenantAccountRpc, "settleMany">;
  readonly clock: Clock;
}

interface Waiting {
  readonly failureCount: number;
  readonly dueMs: number;
}

export class ForwardUsage {
  readonly #options: ForwardOptions;
  /** Tenants with packs, bounded by the store's packs. */
  readonly #waiting = new Map<string, Waiting>();
  #running: Promise<void> | undefined;

  constructor(options: ForwardOptions) {
    this.#options = options;
    for (const tenantId of options.store.tenants()) this.tenantHasRecords(tenantId);
  }

  /** Notes that a tenant has new packs; a pause it is in goes on. */
  tenantHasRecords(tenantId: string): void {
    if (!this.#waiting.has(tenantId)) this.#waiting.set(tenantId, { failureCount: 0, dueMs: 0 });
  }

  /** When the next tenant is due; undefined when nothing waits. */
  nextDueMs(): number | undefined {
    let nextMs: number | undefined;
    for (const { dueMs } of this.#waiting.values()) nextMs = Math.min(nextMs ?? dueMs, dueMs);
    return nextMs;
  }

  /** Forwards what is due. One run at a time: a second call waits for the first. Never rejects. */
  async run(): Promise<void> {
    this.#running ??= this.#rounds().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #rounds(): Promise<void> {
    for (let round = 0; round < FORWARD_ROUNDS_MAX; round++) {
      const due = this.#dueTenants();
      if (due.length === 0) return;
      await Promise.all(due.map((tenantId) => this.#forward(tenantId)));
    }
  }

  #dueTenants(): readonly string[] {
    const nowMs = this.#options.clock.nowMs();
    const due: string[] = [];
    for (const [tenantId, { dueMs }] of this.#waiting) {
      if (dueMs <= nowMs) due.push(tenantId);
      if (due.length === FORWARD_TENANTS_MAX) break;
    }
    return due;
  }

  async #forward(tenantId: string): Promise<void> {
    const { store, account } = this.#options;
    try {
      const batch = store.next(tenantId);
      if (!batch) {
        this.#waiting.delete(tenantId);
        return;
      }
      const settled = account(tenantId).settleMany(batch);
      const { watermark } = await withTimeout(settled, SETTLE_TIMEOUT_MS);
      const { nodeId, epoch } = batch;
      const droppedPacks = store.drop({ tenantId, nodeId, epoch }, watermark);
      if (droppedPacks === 0) throw new Error(`the account stayed at watermark ${watermark}`);
      // To the end of the line: tenants take turns.
      this.#waiting.delete(tenantId);
      this.#waiting.set(tenantId, { failureCount: 0, dueMs: 0 });
    } catch (error) {
      this.#pause(tenantId, reasonOf(error));
    }
  }

  #pause(tenantId: string, reason: string): void {
    const failureCount = (this.#waiting.get(tenantId)?.failureCount ?? 0) + 1;
    const dueMs = this.#options.clock.nowMs() + retryPauseMs(failureCount);
    this.#waiting.set(tenantId, { failureCount, dueMs });
    logEvent("warn", "settle_failed", { tenantId, failureCount, reason });
  }
}
