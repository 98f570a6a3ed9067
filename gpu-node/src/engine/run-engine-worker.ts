// Owns the life of an engine worker thread: opens an engine, runs the scheduler loop over it and joins both to the
// port of the main thread. Which engine is the entry's choice, the loop is scheduler-loop.ts's. Invariant: the
// first message is "opened" or "failed", the last is "closed" or "failed", and the engine is closed in any case.
import { hash } from "node:crypto";
import { setImmediate, setTimeout } from "node:timers/promises";
import type { MessagePort } from "node:worker_threads";
import type { Clock } from "@fairlane/base";
import { AdapterIntake } from "../adapters/adapter-intake.ts";
import { PackedStore } from "../adapters/packed-store.ts";
import { StateNews } from "../adapters/state-news.ts";
import { STEP_STUCK_AFTER_MS } from "../limits.ts";
import { DiskSwap } from "./disk-swap.ts";
import { slackUnitsOf } from "../scheduler/admission-order.ts";
import { Scheduler } from "../scheduler/scheduler.ts";
import { SchedulerLoop } from "../scheduler/scheduler-loop.ts";
import type { AdapterOptions } from "../scheduler/scheduler-parts.ts";
import { stepBudgetFacts } from "../scheduler/step-budget-facts.ts";
import { stepTargetOf } from "../scheduler/step-target.ts";
import type { Engine, EngineOptions } from "./engine.ts";
import { ColumnReport } from "./step-columns.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./worker-messages.ts";

export interface EngineWorkerSetup {
  readonly port: MessagePort;
  readonly clock: Clock;
  readonly options: WorkerOptions;
  readonly openEngine: (options: EngineOptions) => Engine | Promise<Engine>;
}

/** Serves the port until the main thread closes it or the engine breaks. */
export async function runEngineWorker(setup: EngineWorkerSetup): Promise<void> {
  const post = (message: FromWorker): void => setup.port.postMessage(message);
  try {
    const engine = await setup.openEngine(setup.options.engine);
    try {
      await serve(setup, engine, post);
    } finally {
      // Idempotent: only a failure before or outside of the loop leaves it open.
      await engine.close();
    }
  } catch (error) {
    post({ type: "failed", message: error instanceof Error ? error.message : String(error) });
  } finally {
    setup.port.close();
  }
}

async function serve(
  { port, clock, options }: EngineWorkerSetup,
  engine: Engine,
  post: (message: FromWorker) => void,
): Promise<void> {
  const {
    admission,
    fairness,
    stepBudgetTokens,
    cacheModel,
    stepStuckAfterMs = STEP_STUCK_AFTER_MS,
  } = options;
  const stepTarget = await stepTargetOf(engine, options, clock);
  const { swap, problem: swapProblem } = await openSwap(engine, options);
  const scheduler = new Scheduler({
    info: engine.info,
    clock,
    stepBudgetTokens,
    stepTarget,
    admission,
    fairness,
    swapSpace: swap,
    prefixCache: cacheModel && { model: cacheModel, sha256 },
    adapters: await openAdapters(engine, options, post),
  });
  const { adapters: residency } = scheduler.parts;
  const loop = new SchedulerLoop({
    scheduler,
    engine,
    post,
    report: new ColumnReport(engine.info.slotCount, (message) => port.postMessage(message)),
    // Messages are delivered in the poll phase, which a turn of setImmediate passes through; a step that is done
    // before it is waited for would otherwise keep them out.
    yieldToMessages: () => setImmediate(),
    wait: (ms) => setTimeout(ms),
    stuckAfterMs: stepStuckAfterMs,
    adapterIntake: residency === null ? undefined : new AdapterIntake({ engine, residency, post }),
    nowUs: () => performance.now() * 1_000,
  });
  const stepBudget = stepBudgetFacts(scheduler.parts.budget, engine.info.contextTokens);
  const swapNotice = swapProblem === undefined ? {} : { swapProblem };
  post({ type: "opened", info: engine.info, stepBudget, ...swapNotice });
  port.on("message", (message: ToWorker) => loop.handle(message));
  await loop.run();
}

/** How adapters are kept; undefined where none are served. */
async function openAdapters(
  engine: Engine,
  { adapters }: WorkerOptions,
  post: (message: FromWorker) => void,
): Promise<AdapterOptions | undefined> {
  const { adapterSlots, adapterLayout: layout, pageBytes } = engine.info;
  if (adapters === undefined || adapterSlots === 0) return undefined;
  const { folder, hostBytesMax, distinctCountMax, slackTokens } = adapters;
  const news = new StateNews(post);
  return {
    engine,
    store: await PackedStore.open({ folder, layout, pageBytes, memoryBytesMax: hostBytesMax }),
    nowUs: () => performance.now() * 1_000,
    distinctCountMax,
    slackUnits: slackUnitsOf(slackTokens),
    onState: (digest, state) => news.add(digest, state),
    onLost: (digest) => post({ type: "adapter-lost", digest }),
  };
}

/** The swap space that the options want; without one, and with the reason, where the disk cannot be used. */
async function openSwap(
  engine: Engine,
  { swap }: WorkerOptions,
): Promise<{ readonly swap?: DiskSwap; readonly problem?: string }> {
  if (swap === undefined) return {};
  const nowMs = (): number => performance.now();
  try {
    return { swap: await DiskSwap.open({ ...swap, engine, nowMs }) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

function sha256(bytes: Uint8Array): string {
  return hash("sha256", bytes, "base64");
}
