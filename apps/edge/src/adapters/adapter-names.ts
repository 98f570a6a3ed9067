// Owns what adapters' names mean, remembered for seconds in this isolate so that requests ask D1 for nothing. Invariants:
// an entry is of one tenant, whose right to the adapter was part of the query; memory and queries for names that mean
// nothing are bounded.
import type { Clock } from "@fairlane/base";
import { resolveAdapter, type ControlDb, type UsableAdapter } from "@fairlane/db";
import { AppError } from "@fairlane/protocol";
import {
  ADAPTER_CACHE_ENTRIES_MAX,
  ADAPTER_CACHE_MS,
  ADAPTER_UNKNOWN_CACHE_MS,
  ADAPTER_UNKNOWN_ENTRIES_MAX,
} from "../limits.ts";

export interface WantedAdapter {
  /** Who asks. */
  readonly tenantId: string;
  readonly ownerTenantId: string;
  readonly name: string;
  readonly version: number | undefined;
}

interface Entry {
  readonly adapter: UsableAdapter | undefined;
  readonly untilMs: number;
}

export class AdapterNames {
  readonly #db: ControlDb;
  readonly #clock: Clock;
  /** The oldest first. */
  readonly #entries = new Map<string, Entry>();
  /** By tenant: queries that found nothing since `sinceMs`. */
  readonly #unknown = new Map<string, { count: number; readonly untilMs: number }>();

  constructor(db: ControlDb, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** What the name means to this tenant; undefined when nothing. Throws AppError for too many unknown names. */
  async resolve(wanted: WantedAdapter): Promise<UsableAdapter | undefined> {
    const key = keyOf(wanted);
    const nowMs = this.#clock.nowMs();
    const known = this.#entries.get(key);
    if (known !== undefined && nowMs < known.untilMs) return known.adapter;
    this.#guardUnknown(wanted.tenantId, nowMs);
    const adapter = await resolveAdapter(this.#db, wanted.tenantId, wanted);
    if (adapter === undefined) this.#countUnknown(wanted.tenantId, nowMs);
    const keptMs = adapter === undefined ? ADAPTER_UNKNOWN_CACHE_MS : ADAPTER_CACHE_MS;
    this.#remember(key, { adapter, untilMs: nowMs + keptMs });
    return adapter;
  }

  /** The owner changed something: what was remembered of its adapters goes, for all tenants. */
  forget(ownerTenantId: string): void {
    for (const key of this.#entries.keys()) {
      if (key.split(" ")[1] === ownerTenantId) this.#entries.delete(key);
    }
  }

  #remember(key: string, entry: Entry): void {
    this.#entries.delete(key);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size >= ADAPTER_CACHE_ENTRIES_MAX && oldest !== undefined) {
      this.#entries.delete(oldest);
    }
    this.#entries.set(key, entry);
  }

  #guardUnknown(tenantId: string, nowMs: number): void {
    const unknown = this.#unknown.get(tenantId);
    if (unknown === undefined || nowMs >= unknown.untilMs) return;
    if (unknown.count < ADAPTER_UNKNOWN_ENTRIES_MAX) return;
    const message = "Too many requests name adapters that do not exist.";
    throw new AppError("rate_limit_requests", message, { retryAfterMs: unknown.untilMs - nowMs });
  }

  #countUnknown(tenantId: string, nowMs: number): void {
    const unknown = this.#unknown.get(tenantId);
    if (unknown !== undefined && nowMs < unknown.untilMs) {
      unknown.count += 1;
      return;
    }
    this.#unknown.delete(tenantId);
    const [oldest] = this.#unknown.keys();
    if (this.#unknown.size >= ADAPTER_CACHE_ENTRIES_MAX && oldest !== undefined) {
      this.#unknown.delete(oldest);
    }
    this.#unknown.set(tenantId, { count: 1, untilMs: nowMs + ADAPTER_UNKNOWN_CACHE_MS });
  }
}

function keyOf({ tenantId, ownerTenantId, name, version }: WantedAdapter): string {
  // No part has a space.
  return `${tenantId} ${ownerTenantId} ${name} ${version ?? "latest"}`;
}
