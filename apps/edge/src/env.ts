// Owns the edge's bindings and variables: parsed once, when the script starts, so that a wrong configuration
// stops the start and not the first request. Messages name variables, never their values.
import type { D1Database, R2Bucket } from "@cloudflare/workers-types";
import {
  jurisdictionSchema,
  locationHintsSchema,
  placedIn,
  protocolLimits,
  type BatchRunRpc,
  type PlaceableNamespace,
  type JobsRpc,
  type RegionHubRpc,
  type TenantAccountRpc,
} from "@fairlane/protocol";
import { z } from "zod";

/** Durable Objects of one class, by name, in the platform's jurisdiction and made near the edge's region. */
export interface ObjectNamespace<Stub> {
  getByName(name: string): Stub;
}

/** A RegionHub as the edge sees it: RPC, and fetch for streams. */
export type RegionHubStub = RegionHubRpc & {
  fetch(url: string, init: RequestInit): Promise<Response>;
};

export interface EdgeConfig {
  readonly region: string;
  readonly hubShardCount: number;
  /** Where a client's address comes from; `loopback` where the edge listens on that alone. */
  readonly clientAddress: "cf-connecting-ip" | "loopback";
  readonly keyPepper: string;
  /** Hex. */
  readonly adminTokenHash: string;
  readonly accounts: ObjectNamespace<TenantAccountRpc>;
  readonly hubs: ObjectNamespace<RegionHubStub>;
  readonly batches: ObjectNamespace<BatchRunRpc>;
  readonly jobs: JobsRpc;
  readonly controlDb: D1Database;
  readonly ledgerDb: D1Database;
  /** Adapters and files of tenants. */
  readonly artifacts: R2Bucket;
  /** Text of requests that are flagged to be retained, see RetainedStore. */
  readonly retained: R2Bucket;
}

const binding = <T>() =>
  z.custom<T>((value) => typeof value === "object" && value !== null, "binding is missing");

/** The namespace as the configuration places it. */
function placed<Stub>(
  namespace: PlaceableNamespace<Stub>,
  vars: Pick<z.infer<typeof schema>, "REGION" | "JURISDICTION" | "LOCATION_HINTS">,
): ObjectNamespace<Stub> {
  const inside = placedIn(namespace, vars.JURISDICTION);
  const locationHint = vars.LOCATION_HINTS?.get(vars.REGION);
  if (locationHint === undefined) return inside;
  return { getByName: (name) => inside.getByName(name, { locationHint }) };
}

const schema = z.object({
  REGION: z.string().regex(/^[a-z0-9-]{1,32}$/),
  HUB_SHARD_COUNT: z.coerce.number().int().min(1).max(protocolLimits.HUB_SHARDS_MAX),
  JURISDICTION: jurisdictionSchema.optional(),
  LOCATION_HINTS: locationHintsSchema.optional(),
  CLIENT_ADDRESS: z.enum(["cf-connecting-ip", "loopback"]).default("cf-connecting-ip"),
  KEY_PEPPER: z.string().min(16),
  ADMIN_TOKEN_HASH: z.string().regex(/^[0-9a-f]{64}$/),
  TENANT_ACCOUNT: binding<PlaceableNamespace<TenantAccountRpc>>(),
  REGION_HUB: binding<PlaceableNamespace<RegionHubStub>>(),
  BATCH_RUN: binding<PlaceableNamespace<BatchRunRpc>>(),
  HUB_JOBS: binding<JobsRpc>(),
  CONTROL_DB: binding<D1Database>(),
  LEDGER_DB: binding<D1Database>(),
  ARTIFACTS: binding<R2Bucket>(),
  RETAINED: binding<R2Bucket>(),
});

/** Reads the Worker's environment; throws an error that names every wrong variable. */
export function readEnv(env: unknown): EdgeConfig {
  const parsed = schema.safeParse(env);
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new Error(`The edge is misconfigured: ${wrong.join("; ")}`);
  }
  const vars = parsed.data;
  return {
    region: vars.REGION,
    hubShardCount: vars.HUB_SHARD_COUNT,
    clientAddress: vars.CLIENT_ADDRESS,
    keyPepper: vars.KEY_PEPPER,
    adminTokenHash: vars.ADMIN_TOKEN_HASH,
    accounts: placed(vars.TENANT_ACCOUNT, vars),
    hubs: placed(vars.REGION_HUB, vars),
    batches: placed(vars.BATCH_RUN, vars),
    jobs: vars.HUB_JOBS,
    controlDb: vars.CONTROL_DB,
    ledgerDb: vars.LEDGER_DB,
    artifacts: vars.ARTIFACTS,
    retained: vars.RETAINED,
  };
}
