// Owns reaching the hub's objects: the only place that asks a namespace for one, so that jurisdiction and region are applied
// to all of them or to none.
import {
  placedIn,
  type BatchRunRpc,
  type PlaceableNamespace,
  type TenantAccountRpc,
  type UsageIntakeRpc,
} from "@fairlane/protocol";
import { hubConfig, shardName, type HubEnv, type ShardRpc } from "./env.ts";

type Stub<T extends object> = DurableObjectStub<T & Rpc.DurableObjectBranded>;

/** All classes of objects, each by what its names are made of. */
export interface HubObjects {
  account(tenantId: string): Stub<TenantAccountRpc>;
  shard(region: string, shard: number): Stub<ShardRpc>;
  intake(region: string): Stub<UsageIntakeRpc>;
  batch(batchId: string): Stub<BatchRunRpc>;
}

const known = new WeakMap<HubEnv, HubObjects>();

/** The objects of this platform; throws where its jurisdiction is not to be had. */
export function objectsOf(env: HubEnv): HubObjects {
  const made = known.get(env) ?? makeObjects(env);
  known.set(env, made);
  return made;
}

function makeObjects(env: HubEnv): HubObjects {
  const { jurisdiction, locationHints } = hubConfig(env);
  const placed = <T>(namespace: PlaceableNamespace<T>) => placedIn(namespace, jurisdiction);
  const accounts = placed(env.TENANT_ACCOUNT);
  const shards = placed(env.REGION_HUB);
  const intakes = placed(env.USAGE_INTAKE);
  const batches = placed(env.BATCH_RUN);
  const near = (region: string) => {
    const locationHint = locationHints.get(region);
    return locationHint === undefined ? {} : { locationHint };
  };
  return {
    // The edge makes it, near its own region.
    account: (tenantId) => accounts.getByName(tenantId),
    shard: (region, shard) => shards.getByName(shardName(region, shard), near(region)),
    intake: (region) => intakes.getByName(region, near(region)),
    batch: (batchId) => batches.getByName(batchId),
  };
}
