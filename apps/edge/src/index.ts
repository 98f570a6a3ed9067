// The edge Worker: wiring only. Everything that varies (environment, time, randomness) enters here.
import { pooledRandom } from "@fairlane/base";
import { openControlDb, openLedgerDb } from "@fairlane/db";
import { env } from "cloudflare:workers";
import { createApp } from "./app.ts";
import { readEnv } from "./env.ts";

// At the top level, so that a wrong configuration stops the start and not the first request.
const config = readEnv(env);

const app = createApp({
  config,
  clock: { nowMs: () => Date.now() },
  random: pooledRandom((target) => crypto.getRandomValues(target)),
  controlDb: openControlDb(config.controlDb),
  ledgers: { fallback: openLedgerDb(config.ledgerDb), byTenant: new Map() },
});

export default { fetch: app.fetch };
