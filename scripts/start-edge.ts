// Owns the one starter of the edge on a machine: raw miniflare with both Worker scripts, D1 migrated, Durable
// Objects in SQLite. It serves `npm run dev`, the end-to-end tests and profiles alike. The hub listens on a port
// of its own, because nodes dial it, not the edge.
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import path from "node:path";
import { bundleWorkers } from "./bundle-workers.ts";
import { migrateLocal, type MigratableDatabase } from "./migrate-local.ts";

const ROOT = path.resolve(import.meta.dirname, "..");

export interface EdgeOptions {
  /** 0 = any free port. */
  readonly edgePort: number;
  readonly hubPort: number;
  /** True to reach the edge on a socket of its own, without miniflare's proxy before it: for load benches. */
  readonly isDirect?: boolean;
  /** Folder that keeps D1, R2 and Durable Objects; null = in memory. */
  readonly stateDir: string | null;
  readonly region: string;
  /** Regions besides, each with an edge of its own; one hub script serves all. */
  readonly furtherRegions?: readonly { readonly region: string; readonly edgePort: number }[];
  readonly hubShardCount: number;
  readonly keyPepper: string;
  readonly saltSecret: string;
  readonly adminTokenHash: string;
  /** Extra vars of the scripts, for tests that need a shorter time-out. */
  readonly vars?: Readonly<Record<string, string>>;
  /**
   * False: scheduled work does not run. For tests that kill the runtime: miniflare ends its own process when a call of it is
   * cut by that.
   */
  readonly runsCron?: boolean;
  /** Receives what the Workers print, line by line; absent = the terminal. */
  readonly onLogLine?: (line: string) => void;
}

export interface RunningEdge {
  readonly edgeUrl: string;
  /** Of the further regions, in their order. */
  readonly furtherEdgeUrls: readonly string[];
  readonly hubUrl: string;
  readonly controlDb: MigratableDatabase;
  readonly ledgerDb: MigratableDatabase;
  /** The ledger anew: after a crash of workerd the one above is of no use. */
  openLedgerDb(): Promise<MigratableDatabase>;
  /** Stops workerd and frees the ports. */
  stop(): Promise<void>;
}

const CRON_MS = 60_000;

const COMMON = {
  compatibilityDate: "2026-11-01",
  compatibilityFlags: ["nodejs_compat", "enable_request_signal"],
};

/** Both scripts share them. */
const BUCKETS = { ARTIFACTS: "fairlane-artifacts", RETAINED: "fairlane-retained" };

function furtherEdgeName(region: string): string {
  return `fairlane-edge-${region}`;
}

function objectsOf(scriptName?: string) {
  const of = (className: string) =>
    scriptName === undefined
      ? { className, useSQLite: true }
      : { className, scriptName, useSQLite: true };
  return {
    REGION_HUB: of("RegionHub"),
    USAGE_INTAKE: of("UsageIntake"),
    TENANT_ACCOUNT: of("TenantAccount"),
    BATCH_RUN: of("BatchRun"),
  };
}

async function miniflareOptions(options: EdgeOptions) {
  const bundles = await bundleWorkers();
  const further = options.furtherRegions ?? [];
  const shared = {
    HUB_SHARD_COUNT: String(options.hubShardCount),
    KEY_PEPPER: options.keyPepper,
    ...options.vars,
  };
  const { USAGE_INTAKE: _intake, ...edgeObjects } = objectsOf("fairlane-hub");
  const edgeOf = (name: string, region: string) => ({
    ...COMMON,
    name,
    modules: [{ type: "ESModule" as const, path: "edge.mjs", contents: bundles.edge }],
    bindings: {
      // Miniflare passes a `cf-connecting-ip` of the client's own on; it listens on the loopback address alone.
      CLIENT_ADDRESS: "loopback",
      REGION: region,
      ...shared,
      ADMIN_TOKEN_HASH: options.adminTokenHash,
    },
    durableObjects: edgeObjects,
    serviceBindings: { HUB_JOBS: { name: "fairlane-hub", entrypoint: "JobRunner" } },
    d1Databases: { CONTROL_DB: "fairlane-control", LEDGER_DB: "fairlane-ledger" },
    r2Buckets: BUCKETS,
  });
  const edge = {
    ...edgeOf("fairlane-edge", options.region),
    ...(options.isDirect ? { unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] } : {}),
  };
  const furtherEdges = further.map(({ region, edgePort }) => ({
    ...edgeOf(furtherEdgeName(region), region),
    unsafeDirectSockets: [{ host: "127.0.0.1", port: edgePort }],
  }));
  const hub = {
    ...COMMON,
    name: "fairlane-hub",
    modules: [{ type: "ESModule" as const, path: "hub.mjs", contents: bundles.hub }],
    bindings: {
      REGION: options.region,
      ...shared,
      REGIONS: [options.region, ...further.map(({ region }) => region)].join(","),
      SALT_SECRET: options.saltSecret,
    },
    durableObjects: objectsOf(),
    d1Databases: { CONTROL_DB: "fairlane-control", LEDGER_DB: "fairlane-ledger" },
    r2Buckets: BUCKETS,
    unsafeDirectSockets: [{ host: "127.0.0.1", port: options.hubPort }],
  };
  const converted = convertV4MiniflareOptions({
    host: "127.0.0.1",
    port: options.edgePort,
    cf: false,
    logRequests: false,
    ...logOptions(options.onLogLine),
    workers: [edge, hub, ...furtherEdges],
  });
  return options.stateDir === null
    ? converted
    : { ...converted, resourcePersistencePath: options.stateDir };
}

function logOptions(onLogLine: EdgeOptions["onLogLine"]) {
  if (!onLogLine) return {};
  const handleStructuredLogs = (log: { readonly message: string }) => onLogLine(log.message);
  return { handleStructuredLogs };
}

/** Starts both scripts, migrates both databases and answers once the edge can serve. */
export async function startEdge(options: EdgeOptions): Promise<RunningEdge> {
  const miniflare = makeMiniflare(await miniflareOptions(options));
  try {
    const proxiedUrl = await miniflare.ready;
    const edgeUrl = trimSlash(
      options.isDirect ? await miniflare.unsafeGetDirectURL("fairlane-edge") : proxiedUrl,
    );
    const hubUrl = trimSlash(await miniflare.unsafeGetDirectURL("fairlane-hub"));
    const furtherEdgeUrls: string[] = [];
    for (const { region } of options.furtherRegions ?? []) {
      furtherEdgeUrls.push(trimSlash(await miniflare.unsafeGetDirectURL(furtherEdgeName(region))));
    }
    const controlDb = await miniflare.getD1Database("CONTROL_DB", "fairlane-edge");
    const ledgerDb = await miniflare.getD1Database("LEDGER_DB", "fairlane-edge");
    await migrateLocal(controlDb, path.join(ROOT, "migrations/control"));
    await migrateLocal(ledgerDb, path.join(ROOT, "migrations/ledger"));
    const stopCron = options.runsCron === false ? () => {} : startCron(miniflare);
    const stop = async () => {
      stopCron();
      await miniflare.dispose();
    };
    const openLedgerDb = () => miniflare.getD1Database("LEDGER_DB", "fairlane-edge");
    return { edgeUrl, furtherEdgeUrls, hubUrl, controlDb, ledgerDb, openLedgerDb, stop };
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
}

/** Runs the hub's scheduled handler by the minute, as its trigger in wrangler.toml does in production. */
function startCron(miniflare: Miniflare): () => void {
  const run = async () => {
    const hub = await miniflare.getWorker("fairlane-hub");
    await hub.scheduled({ scheduledTime: new Date() });
  };
  // A failed run is in the Worker's log, and the next one does its work.
  const timer = setInterval(() => void run().catch(() => {}), CRON_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/**
 * Miniflare ends its process on a signal by itself, before the caller could stop its other parts. Whoever starts the
 * edge here also stops it, so those listeners go; its clean-up on a plain exit stays.
 */
function makeMiniflare(options: ConstructorParameters<typeof Miniflare>[0]): Miniflare {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const before = new Set(signals.flatMap((signal) => process.listeners(signal)));
  const miniflare = new Miniflare(options);
  for (const signal of signals) {
    for (const listener of process.listeners(signal)) {
      if (!before.has(listener)) process.off(signal, listener);
    }
  }
  return miniflare;
}

function trimSlash(url: URL): string {
  return url.href.replace(/\/$/, "");
}
