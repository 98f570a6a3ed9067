// Owns the test projects: `unit` and `e2e` in Node, `hub` and `edge` inside workerd with real Durable Objects and
// D1. Projects are inline on purpose: given by path they can silently run no test at all.
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { availableParallelism } from "node:os";
import path from "node:path";
import { defineConfig } from "vitest/config";
import { bundleWorkers } from "./scripts/bundle-workers.ts";

const ROOT = import.meta.dirname;
const secrets = {
  KEY_PEPPER: "test-pepper-0123456789abcdef",
  REGION: "local",
  HUB_SHARD_COUNT: "2",
};
const SALT_SECRET = "test-salt-0123456789abcdef";
// The hash of the token in packages/protocol/src/credentials/admin-token.test.ts.
const ADMIN_TOKEN_HASH = "fa162d54d6bae01c3a35894f6f7a84a1122631b79dc6fd40345d4307f8f5a7a0";

async function migrations() {
  return {
    CONTROL_MIGRATIONS: await readD1Migrations(path.join(ROOT, "migrations/control")),
    LEDGER_MIGRATIONS: await readD1Migrations(path.join(ROOT, "migrations/ledger")),
  };
}

const objects = {
  REGION_HUB: { className: "RegionHub", useSQLite: true },
  USAGE_INTAKE: { className: "UsageIntake", useSQLite: true },
  TENANT_ACCOUNT: { className: "TenantAccount", useSQLite: true },
  BATCH_RUN: { className: "BatchRun", useSQLite: true },
};

/** Many files wait more than they compute, so even two cores run two at once. */
const maxWorkers = Math.max(2, availableParallelism() - 1);
/** As long for a Worker's test as for others: the machine may be loaded. */
const testTimeout = 30_000;

/** What a reset says to work that the file before left running; it is over, and so is what it waited for. */
const RESET = "Application called deleteAllDurableObjects().";

/** The real hub script beside the edge under test. */
async function hubWorker() {
  const { hub } = await bundleWorkers();
  return {
    name: "fairlane-hub",
    modules: [{ type: "ESModule" as const, path: "hub.mjs", contents: hub }],
    compatibilityDate: "2026-11-01",
    compatibilityFlags: ["nodejs_compat", "enable_request_signal"],
    bindings: { ...secrets, SALT_SECRET },
    durableObjects: objects,
    d1Databases: {
      CONTROL_DB: "00000000-0000-4000-8000-000000000001",
      LEDGER_DB: "00000000-0000-4000-8000-000000000002",
    },
    r2Buckets: { ARTIFACTS: "fairlane-artifacts", RETAINED: "fairlane-retained" },
  };
}

export default defineConfig({
  test: {
    // What a passing test writes to the log is expected; a failing one shows it.
    silent: "passed-only",
    onUnhandledError: ({ message }) => message !== RESET,
    projects: [
      {
        test: {
          name: "unit",
          environment: "node",
          include: [
            "packages/*/src/**/*.test.ts",
            "gpu-node/src/**/*.test.ts",
            "scripts/**/*.test.ts",
            "test/{tidy,golden,conformance,bench,papers}/**/*.test.ts",
          ],
          maxWorkers,
          testTimeout,
        },
      },
      {
        plugins: [
          cloudflareTest(async () => ({
            wrangler: { configPath: path.join(ROOT, "apps/hub/wrangler.toml") },
            miniflare: { bindings: { ...secrets, SALT_SECRET, ...(await migrations()) } },
          })),
        ],
        test: {
          name: "hub",
          testTimeout,
          include: ["apps/hub/src/**/*.test.ts"],
          setupFiles: ["apps/hub/test/apply-migrations.ts"],
        },
      },
      {
        plugins: [
          cloudflareTest(async () => ({
            wrangler: { configPath: path.join(ROOT, "wrangler.toml") },
            miniflare: {
              bindings: { ...secrets, ADMIN_TOKEN_HASH, ...(await migrations()) },
              serviceBindings: { HUB: "fairlane-hub" },
              workers: [await hubWorker()],
            },
          })),
        ],
        test: {
          name: "edge",
          testTimeout,
          // A start of workerd costs more than most files do, so files share one: the set-up file empties it before each.
          // The hub's do not: in a shared one a batch's alarm was seen to stay away.
          isolate: false,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
          include: ["apps/edge/src/**/*.test.ts"],
          setupFiles: ["apps/edge/test/apply-migrations.ts"],
        },
      },
      {
        test: {
          name: "e2e",
          environment: "node",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
