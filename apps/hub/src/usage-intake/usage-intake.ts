// E6, bill, first half: makes the usage of a region's nodes durable, then forwards it to the accounts. Keeps the cells
// of service of the region's fleet as well, and writes them to D1. One object a region. Invariant: a watermark that
// `commit` returned is on disk (the output gate holds the answer back until it is), and while packs wait, or service
// is to be written, an alarm is set or a run is under way.
import { DurableObject } from "cloudflare:workers";
import { openLedgerDb } from "@fairlane/db";
import type {
  CommitBatch,
  Delivery,
  FleetChange,
  FleetHead,
  FleetNews,
  FleetPage,
  IntakeState,
  UsageIntakeRpc,
} from "@fairlane/protocol";
import { hubConfig, regionOf, type HubEnv } from "../env.ts";
import { RETRY_FIRST_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { objectsOf } from "../objects.ts";
import { systemClock } from "../system-clock.ts";
import { DeliveryStore, ESTIMATE_SOURCE } from "./delivery-store.ts";
import { FleetCheckpoint } from "./checkpoint-fleet.ts";
import { FleetStore } from "./fleet-store.ts";
import { ForwardUsage } from "./forward-usage.ts";
import { PackStore } from "./pack-store.ts";

type Watermarks = Awaited<ReturnType<UsageIntakeRpc["commit"]>>["watermarks"];

export class UsageIntake extends DurableObject<HubEnv> implements UsageIntakeRpc {
  readonly #store: PackStore;
  readonly #forward: ForwardUsage;
  readonly #deliveries: DeliveryStore;
  readonly #estimateAfterMs: number;
  readonly #fleet: FleetStore;
  readonly #checkpoint: FleetCheckpoint;
  #alarmMs: number | undefined;

  constructor(ctx: DurableObjectState, env: HubEnv) {
    super(ctx, env);
    this.#store = new PackStore(ctx.storage);
    this.#deliveries = new DeliveryStore(ctx.storage, this.#store);
    this.#estimateAfterMs = hubConfig(env).estimateAfterMs;
    this.#forward = new ForwardUsage({
      store: this.#store,
      account: (tenantId) => objectsOf(env).account(tenantId),
      clock: systemClock,
    });
    this.#fleet = new FleetStore(ctx.storage, systemClock.nowMs());
    this.#checkpoint = new FleetCheckpoint({
      sql: ctx.storage.sql,
      store: this.#fleet,
      region: regionOf(hubConfig(env), ctx.id.name),
      ledger: () => openLedgerDb(env.LEDGER_DB),
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

  async stateOf(tenantId: string): Promise<IntakeState> {
    const { sources, waitingPacks } = this.#store.stateOf(tenantId);
    const journals = sources.filter(({ nodeId }) => nodeId !== ESTIMATE_SOURCE.nodeId);
    return { sources: journals, waitingPacks };
  }

  async noteDelivered(deliveries: readonly Delivery[]): Promise<void> {
    this.#deliveries.note(deliveries, systemClock.nowMs() + this.#estimateAfterMs);
    this.#armAlarm();
  }

  async waitingBefore(tenantId: string, endedBeforeMs: number): Promise<number> {
    const stores = [this.#store, this.#deliveries];
    return stores.reduce((sum, store) => sum + store.waitingBefore(tenantId, endedBeforeMs), 0);
  }

  async syncFleet(change: FleetChange): Promise<FleetNews> {
    this.#fleet.take(change, systemClock.nowMs());
    this.#checkpoint.noteAsked();
    this.#armAlarm();
    return this.#fleet.remoteSince(change.remoteSeq);
  }

  async fleetHead(): Promise<FleetHead> {
    await this.#checkpoint.restored();
    return this.#fleet.head();
  }

  async fleetPage(afterTenantId: string): Promise<FleetPage> {
    return this.#fleet.page(afterTenantId);
  }

  /** Never throws: the platform gives up on alarms that fail again and again. */
  override async alarm(): Promise<void> {
    this.#alarmMs = undefined;
    await this.#run();
  }

  async #run(): Promise<void> {
    try {
      const tenantIds = this.#deliveries.takeDue(systemClock.nowMs());
      for (const tenantId of tenantIds) this.#forward.tenantHasRecords(tenantId);
      await Promise.all([this.#forward.run(), this.#checkpoint.run()]);
    } catch (error) {
      logEvent("error", "forwarding_failed", { reason: reasonOf(error) });
    }
    this.#armAlarm();
  }

  /** Sets the alarm for what is due next, tenants at the earliest after `pauseMs`; no alarm when nothing waits. */
  #armAlarm(pauseMs = 0): void {
    const nowMs = systemClock.nowMs();
    const forwardMs = this.#forward.nextDueMs();
    const dueMs = [this.#checkpoint.nextDueMs(), this.#deliveries.nextDueMs()];
    if (forwardMs !== undefined) dueMs.push(Math.max(forwardMs, nowMs + pauseMs));
    const known = dueMs.filter((one) => one !== undefined);
    if (known.length === 0) return;
    const alarmMs = Math.max(nowMs, Math.min(...known));
    if (this.#alarmMs !== undefined && this.#alarmMs <= alarmMs) return;
    this.#alarmMs = alarmMs;
    void this.ctx.storage.setAlarm(alarmMs);
  }
}
