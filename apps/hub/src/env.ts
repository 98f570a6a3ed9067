// Owns the hub's bindings and the one parse of its configuration. A wrong value fails every event of the script
// with a sentence that names it, from the first one on.
import {
  jurisdictionSchema,
  locationHintsSchema,
  protocolLimits,
  type BatchRunRpc,
  type Jurisdiction,
  type LocationHint,
  type RegionHubRpc,
  type TenantAccountRpc,
  type UsageIntakeRpc,
} from "@fairlane/protocol";
import { z } from "zod";
import { REGIONS_MAX } from "./limits.ts";
import type { WorkOwner } from "./region-hub/revoked-work.ts";

/** A shard as the hub's other objects see it. */
export interface ShardRpc extends RegionHubRpc {
  /** Ends what runs or waits for a revoked key or a suspended tenant; returns how many requests that were. */
  cancelWork(owner: WorkOwner): Promise<number>;
}

/** Bindings and variables of the hub script. */
export interface HubEnv {
  readonly REGION: string;
  /** All regions of the platform, comma-separated; absent: REGION alone. */
  readonly REGIONS?: string;
  readonly HUB_SHARD_COUNT: string;
  /** Of every object, database and bucket; absent: anywhere. */
  readonly JURISDICTION?: string;
  /** `eu=weur,us=enam`: where the objects of each region are made; absent: near who first asks. */
  readonly LOCATION_HINTS?: string;
  /** Time that a gone node's own records are waited for before what was delivered is billed; absent: an hour. */
  readonly ESTIMATE_AFTER_MS?: string;
  readonly KEY_PEPPER: string;
  readonly SALT_SECRET: string;
  readonly REGION_HUB: DurableObjectNamespace<ShardRpc & Rpc.DurableObjectBranded>;
  readonly USAGE_INTAKE: DurableObjectNamespace<UsageIntakeRpc & Rpc.DurableObjectBranded>;
  readonly TENANT_ACCOUNT: DurableObjectNamespace<TenantAccountRpc & Rpc.DurableObjectBranded>;
  readonly BATCH_RUN: DurableObjectNamespace<BatchRunRpc & Rpc.DurableObjectBranded>;
  readonly CONTROL_DB: D1Database;
  readonly LEDGER_DB: D1Database;
  /** Adapters and files of tenants; the edge writes it, nodes read it through the hub's door. */
  readonly ARTIFACTS: R2Bucket;
  /** Text of requests that are flagged to be retained. */
  readonly RETAINED: R2Bucket;
}

const REGION_NAME = /^[a-z0-9-]{1,32}$/;

const configSchema = z.object({
  REGION: z.string().regex(REGION_NAME),
  REGIONS: z
    .string()
    .transform((text) => text.split(","))
    .pipe(z.array(z.string().regex(REGION_NAME)).min(1).max(REGIONS_MAX))
    .optional(),
  JURISDICTION: jurisdictionSchema.optional(),
  LOCATION_HINTS: locationHintsSchema.optional(),
  HUB_SHARD_COUNT: z.coerce.number().int().min(1).max(protocolLimits.HUB_SHARDS_MAX),
  ESTIMATE_AFTER_MS: z.coerce.number().int().min(1_000).default(3_600_000),
  KEY_PEPPER: z.string().min(16),
  SALT_SECRET: z.string().min(16),
});

/** The variables in the form that the code uses. */
export interface HubConfig {
  /** Of nodes that name none. */
  readonly region: string;
  /** All of the platform. */
  readonly regions: readonly string[];
  readonly shardCount: number;
  readonly jurisdiction: Jurisdiction | undefined;
  /** By region. */
  readonly locationHints: ReadonlyMap<string, LocationHint>;
  readonly estimateAfterMs: number;
  readonly keyPepper: string;
  readonly saltSecret: string;
}

const parsed = new WeakMap<HubEnv, HubConfig>();

/** Reads the configuration; throws a sentence for the operator when a variable is absent or wrong. */
export function hubConfig(env: HubEnv): HubConfig {
  const known = parsed.get(env);
  if (known) return known;
  const result = configSchema.safeParse(env);
  if (!result.success) {
    const names = result.error.issues.map((issue) => issue.path.join("."));
    throw new Error(`The hub's configuration is wrong: check ${[...new Set(names)].join(", ")}.`);
  }
  const config = {
    region: result.data.REGION,
    regions: result.data.REGIONS ?? [result.data.REGION],
    shardCount: result.data.HUB_SHARD_COUNT,
    jurisdiction: result.data.JURISDICTION,
    locationHints: result.data.LOCATION_HINTS ?? new Map(),
    estimateAfterMs: result.data.ESTIMATE_AFTER_MS,
    keyPepper: result.data.KEY_PEPPER,
    saltSecret: result.data.SALT_SECRET,
  };
  parsed.set(env, config);
  return config;
}

/** The name of a shard's RegionHub, which tells the object its region. */
export function shardName(region: string, shard: number): string {
  return `${region}:${shard}`;
}

/** The region that an object's name begins with; that of the configuration for a name without one. */
export function regionOf(config: HubConfig, objectName: string | undefined): string {
  const region = objectName?.split(":")[0] ?? "";
  return config.regions.includes(region) ? region : config.region;
}
