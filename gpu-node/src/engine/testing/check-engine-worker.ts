// Owns the entry of an engine worker over the check engine, for tests of the host that need no native core. The
// model's path says how it misbehaves: "no such model" does not open, "exit" and "throw" die in the first step.
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "@fairlane/base";
import { PagedCheckEngine } from "../../scheduler/testing/paged-check-engine.ts";
import { runEngineWorker } from "../run-engine-worker.ts";
import type { PlanViews } from "../step-layout.ts";
import type { WorkerOptions } from "../worker-messages.ts";

class DyingEngine extends PagedCheckEngine {
  readonly #way: string;

  constructor(way: string) {
    super();
    this.#way = way;
  }

  override submitStep(plan: PlanViews): void {
    if (this.#way === "exit") process.exit(3);
    // Outside of the loop, as a bug in a callback would be.
    if (this.#way === "throw") process.nextTick(() => assert(false, "out of the blue"));
    super.submitStep(plan);
  }
}

assert(parentPort !== null, "runs in a worker thread");
const options = workerData as WorkerOptions;
await runEngineWorker({
  port: parentPort,
  clock: { nowMs: () => Date.now() },
  options,
  openEngine({ manifestPath }) {
    if (manifestPath === "no such model") throw new Error(`${manifestPath}: not found`);
    return new DyingEngine(manifestPath);
  },
});
