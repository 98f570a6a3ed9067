// Owns the entry of the engine worker thread with the native engine. Everything else is run-engine-worker.ts's;
// started by engine-host.ts, never imported.
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "@fairlane/base";
import { openNativeEngine } from "./native-engine.ts";
import { runEngineWorker } from "./run-engine-worker.ts";
import type { WorkerOptions } from "./worker-messages.ts";

assert(parentPort !== null, "engine-worker.ts runs in a worker thread");
await runEngineWorker({
  port: parentPort,
  clock: { nowMs: () => Date.now() },
  options: workerData as WorkerOptions,
  openEngine: openNativeEngine,
});
