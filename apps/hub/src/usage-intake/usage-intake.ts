// E6, bill, first half: makes the usage of a region's nodes durable, then forwards it to the accounts. One object a
// region. Invariant: a watermark that `commit` returned is on disk (the output gate holds the answer back until it
// is), and while packs wait an alarm is set or a run is under way.
import { DurableObject } from "cloudflare:workers";
import type { CommitBatch, UsageIntakeRpc } from "@fairlane/protocol";
import type { HubEnv } from "../env.ts";
import { RETRY_FIRST_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { systemClock } from "../system-clock.ts";
import { ForwardUsage } from "./forward-usage.ts";
import { PackStore } from "./pack-store.ts";

type Watermarks = Awaited<ReturnType<UsageIntakeRpc["commit"]>>["watermarks"];

export class UsageIntake extends DurableObject<HubEnv> implements UsageIntakeRpc {
  readonly #store: PackStore;
  readonly #forward: ForwardUsage;
  #alarmMs: number | undefined;

  constructor(ctx: DurableObjectState, env: HubEnv) {
    super(ctx, env);
    this.#store = new PackStore(ctx.storage);
    this.#forward = new ForwardUsage({
      store: this.#store,
      account: (tenantId) => env.TENANT_ACCOUNT.getByName(tenantId),
      clock: systemClock,
    });
    this.#armAlarm();
  }

  async commit(batch: CommitBatch): Promise<{ readonly watermarks: Watermarks }> {
    try {
      const watermarks = this.#store.commit(batch);
      for (const { tenant_id: tenantId } of watermarks) this.#forward.tenantHasRecords(tenantId);
      // In the same commit as the records: should the object die now, the alarm takes over.
      this.#armAlarm(RETRY_FIRST_MS);
      this.ctx.waitUntil(this.#run());
      return { watermarks };
    } catch (error) {
      const { nodeId, epoch } = batch;
      logEvent("error", "usage_not_taken", { nodeId, epoch, reason: reasonOf(error) });
      return { watermarks: [] };
    }
  }

  /** Never throws: the platform gives up on alarms that fail again and again. */
  override async alarm(): Promise<void> {
    this.#alarmMs = undefined;
    await this.#run();
  }

  async #run(): Promise<void> {
    try {
      await this.#forward.run();
    } catch (error) {
      logEvent("error", "forwarding_failed", { reason: reasonOf(error) });
    }
    this.#armAlarm();
  }

  /** Sets the alarm for the next due tenant, at the earliest after `pauseMs`; no alarm when nothing waits. */
  #armAlarm(pauseMs = 0): void {
    const dueMs = this.#forward.nextDueMs();
    if (dueMs === undefined) return;
    const alarmMs = Math.max(dueMs, systemClock.nowMs() + pauseMs);
    if (this.#alarmMs !== undefined && this.#alarmMs <= alarmMs) return;
    this.#alarmMs = alarmMs;
    void this.ctx.storage.setAlarm(alarmMs);
  }
}
