// The edge Worker: wiring only. Everything that varies (environment, time, randomness) enters here.
import { pooledRandom } from "@fairlane/base";
import { openControlDb, openLedgerDb } from "@fairlane/db";
import { env } from "cloudflare:workers";
import { AdapterNames } from "./adapters/adapter-names.ts";
import { createApp } from "./app.ts";
import { readEnv } from "./env.ts";

// At the top level, so that a wrong configuration stops the start and not the first request.
const config = readEnv(env);

const clock = { nowMs: () => Date.now() };
const controlDb = openControlDb(config.controlDb);

const app = createApp({
  config,
  clock,
  random: pooledRandom((target) => crypto.getRandomValues(target)),
  controlDb,
  ledgers: { fallback: openLedgerDb(config.ledgerDb), byTenant: new Map() },
  adapterNames: new AdapterNames(controlDb, clock),
});

export default { fetch: app.fetch };
