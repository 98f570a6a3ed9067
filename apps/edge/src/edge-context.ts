// Owns what the edge's code is handed: the dependencies of the whole app, and what travels with one request.
import type { Clock, Random } from "@fairlane/base";
import type { ControlDb, LedgerDb, LedgerMap } from "@fairlane/db";
import type { HubGrant, RateState, TenantAccountRpc } from "@fairlane/protocol";
import type { Context } from "hono";
import type { AdapterNames } from "./adapters/adapter-names.ts";
import type { ClaimedKey } from "./admission/idempotent-hit.ts";
import type { EdgeConfig, RegionHubStub } from "./env.ts";

/** Everything a route may use; made once by index.ts. */
export interface EdgeDependencies {
  readonly config: EdgeConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly controlDb: ControlDb;
  readonly ledgers: LedgerMap<LedgerDb>;
  readonly adapterNames: AdapterNames;
}

export interface EdgeEnv {
  Variables: {
    /** Our own id of the request, `req_...`; also the id of the generation. */
    requestId: string;
    startedMs: number;
    /** The tenant's limits after admission; null until it is known who asks. */
    rates: RateState | null;
    /** Of a request with an Idempotency-Key. */
    idempotency: ClaimedKey | null;
    /** Of a request under a hard budget. */
    grant: HubGrant | null;
  };
}

export type EdgeContext = Context<EdgeEnv>;

/** The account object of a tenant. */
export function accountOf(deps: EdgeDependencies, tenantId: string): TenantAccountRpc {
  return deps.config.accounts.getByName(tenantId);
}

/** One shard of this region's hub. */
export function hubShard(deps: EdgeDependencies, shard: number): RegionHubStub {
  return deps.config.hubs.getByName(`${deps.config.region}:${shard}`);
}
