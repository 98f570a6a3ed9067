// Owns what of the merged service UsageIntake is to keep for a restart, and the way back: loads what an earlier hub
// knew, hands over what changed, and brings what other regions gave. Invariant: what a failed call carried goes with
// the next one, unless something newer has taken its place.
import type {
  FleetCell,
  FleetHead,
  FleetPage,
  RemoteService,
  UsageIntakeRpc,
} from "@fairlane/protocol";
import { FLEET_SYNC_CELLS_MAX, FLEET_TIMEOUT_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { withTimeout } from "../retry.ts";

/** What of UsageIntake this needs. */
export type FleetIntake = Pick<UsageIntakeRpc, "syncFleet" | "fleetHead" | "fleetPage">;

export interface KeptFleet extends FleetHead {
  readonly pages: readonly FleetPage[];
}

export class FleetKeep {
  readonly #intake: () => FleetIntake;
  /** The newest copy by cell: at most one for each cell of the merge. */
  readonly #cells = new Map<string, FleetCell>();
  #lifted = new Set<string>();
  #remoteSeq = 0;
  #isSyncing = false;

  /** @param intake gives a fresh stub: one that failed once fails for good */
  constructor(intake: () => FleetIntake) {
    this.#intake = intake;
  }

  noteCell(cell: FleetCell): void {
    this.#cells.set(keyOf(cell), cell);
  }

  noteLift(tenantId: string): void {
    this.#lifted.add(tenantId);
  }

  /** All that is kept. Rejects when it cannot be had. */
  async load(): Promise<KeptFleet> {
    const head = await withTimeout(this.#intake().fleetHead(), FLEET_TIMEOUT_MS);
    const pages: FleetPage[] = [];
    // The intake keeps no more tenants than the merge takes, so this ends.
    for (let after: string | null = ""; after !== null;) {
      const page: FleetPage = await withTimeout(this.#intake().fleetPage(after), FLEET_TIMEOUT_MS);
      pages.push(page);
      after = page.nextTenantId;
    }
    return { ...head, pages };
  }

  /** Hands over what changed; returns what other regions gave since. Nothing when a call is under way or fails. */
  async sync(
    floorUnits: number,
    liftOf: (tenantId: string) => number,
  ): Promise<readonly RemoteService[]> {
    if (this.#isSyncing) return [];
    this.#isSyncing = true;
    const cells = [...this.#cells.values()].slice(0, FLEET_SYNC_CELLS_MAX);
    for (const cell of cells) this.#cells.delete(keyOf(cell));
    const lifted = this.#lifted;
    this.#lifted = new Set();
    try {
      const lifts = [...lifted].map((tenantId) => ({ tenantId, units: liftOf(tenantId) }));
      const change = { cells, lifts, floorUnits, remoteSeq: this.#remoteSeq };
      const news = await withTimeout(this.#intake().syncFleet(change), FLEET_TIMEOUT_MS);
      this.#remoteSeq = news.remoteSeq;
      return news.remote;
    } catch (error) {
      for (const cell of cells) if (!this.#cells.has(keyOf(cell))) this.noteCell(cell);
      for (const tenantId of lifted) this.noteLift(tenantId);
      logEvent("warn", "fleet_sync_failed", { cells: cells.length, reason: reasonOf(error) });
      return [];
    } finally {
      this.#isSyncing = false;
    }
  }
}

function keyOf({ tenantId, nodeId, epoch }: FleetCell): string {
  return JSON.stringify([tenantId, nodeId, epoch]);
}
