// Owns a node's engine, scheduler and adapter tiers in this process for benches of adapters: the default model, a pool of a
// stated number of pages, and as many adapters as are asked for, each with bytes of its own in memory or in files. Requests
// are timed by their progress messages. Invariant: it runs the loop that ships.
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { PackedStore } from "../../../gpu-node/src/adapters/packed-store.ts";
import type { PackedAdapter } from "../../../gpu-node/src/engine/adapter-spec.ts";
import { openNativeEngine, type NativeEngine } from "../../../gpu-node/src/engine/native-engine.ts";
import type { EngineRequest, FromWorker } from "../../../gpu-node/src/engine/worker-messages.ts";
import { openModelOnDisk } from "../../../gpu-node/src/fleet/model-on-disk.ts";
import { cacheFolder } from "../../../gpu-node/src/model/cache-folder.ts";
import { Scheduler } from "../../../gpu-node/src/scheduler/scheduler.ts";
import { SchedulerLoop } from "../../../gpu-node/src/scheduler/scheduler-loop.ts";
import { stepCapacityFor } from "../../../gpu-node/src/scheduler/scheduler-parts.ts";
import type { BenchModel } from "../cpu-sides.ts";
import { packRandomAdapter, type AdapterKind } from "./random-adapter.ts";

const STEP_BUDGET_TOKENS = 128;
/** The node's defaults. */
const DISTINCT_COUNT_MAX = 64;
const SLACK_UNITS = 4_096 * 5_040;

export interface StageOptions {
  readonly slotCount: number;
  readonly pageCount: number;
  readonly kind: AdapterKind;
  /** Memory for packed adapters; 0: each load reads its file. */
  readonly hostBytesMax: number;
}

/** When a request's tokens were there, in milliseconds from its submission. */
export interface Served {
  readonly tokenMs: readonly number[];
}

interface Live {
  readonly submittedMs: number;
  readonly tokenMs: number[];
  readonly ended: PromiseWithResolvers<Served>;
}

export class AdapterStage implements AsyncDisposable {
  readonly engine: NativeEngine;
  readonly scheduler: Scheduler;
  readonly store: PackedStore;
  readonly packed: PackedAdapter;
  readonly #loop: SchedulerLoop;
  readonly #running: Promise<void>;
  readonly #live = new Map<string, Live>();
  #requestCount = 0;
  #adapterCount = 0;

  private constructor(parts: {
    readonly engine: NativeEngine;
    readonly store: PackedStore;
    readonly packed: PackedAdapter;
  }) {
    const { engine, store, packed } = parts;
    this.engine = engine;
    this.store = store;
    this.packed = packed;
    this.scheduler = new Scheduler({
      info: engine.info,
      clock: { nowMs: () => performance.now() },
      stepBudgetTokens: STEP_BUDGET_TOKENS,
      adapters: {
        engine,
        store,
        nowUs: () => performance.now() * 1_000,
        distinctCountMax: DISTINCT_COUNT_MAX,
        slackUnits: SLACK_UNITS,
      },
    });
    this.#loop = new SchedulerLoop({
      scheduler: this.scheduler,
      engine,
      post: (message) => this.#hear(message),
      yieldToMessages: () => setImmediate(),
      wait: () => setImmediate(),
      stuckAfterMs: 60_000,
    });
    this.#running = this.#loop.run();
  }

  static async open(model: BenchModel, options: StageOptions): Promise<AdapterStage> {
    const { slotCount, pageCount, kind, hostBytesMax } = options;
    const { opened, manifestPath } = await openModelOnDisk(model.path, cacheFolder(process.env));
    const engine = openNativeEngine({
      manifestPath,
      isa: "auto",
      numerics: "int8",
      pageCount,
      slotCount,
      threadCount: availableParallelism(),
      capacity: stepCapacityFor({ slotCount, stepBudgetTokens: STEP_BUDGET_TOKENS }),
    });
    const { adapterLayout: layout, pageBytes } = engine.info;
    const folder = await mkdtemp(join(tmpdir(), "fairlane-bench-adapters-"));
    const memoryBytesMax = hostBytesMax;
    const store = await PackedStore.open({ folder, layout, pageBytes, memoryBytesMax });
    const packed = await packRandomAdapter(engine, opened.config, kind);
    return new AdapterStage({ engine, store, packed });
  }

  /** Takes adapters in until there are `count`, each with bytes of its own. */
  async addAdapters(count: number): Promise<void> {
    const { pageCount, table } = this.packed;
    for (; this.#adapterCount < count; this.#adapterCount++) {
      const digest = digestOf(this.#adapterCount);
      await this.store.write(digest, { pageCount, table, images: this.packed.images.slice() });
      this.scheduler.parts.adapters?.add(digest, pageCount);
    }
  }

  /** Serves a prompt of `promptTokens` with adapter `adapter`, or without one; resolves at its end. */
  serve(request: {
    readonly adapter: number | null;
    readonly promptTokens: number;
    readonly outputTokens: number;
  }): Promise<Served> {
    const { adapter, promptTokens, outputTokens } = request;
    const seed = (this.#requestCount += 1);
    const requestId = `req_${seed}`;
    const own = adapter === null ? {} : { adapter: { digest: digestOf(adapter) } };
    const submittedMs = performance.now();
    const submitted: EngineRequest = {
      requestId,
      tenantId: "ten_bench",
      weight: 1,
      tier: "interactive",
      promptTokens: Int32Array.from(
        { length: promptTokens },
        (_, at) => (at * 7_919 + seed * 104_729) % this.engine.info.vocabSize,
      ),
      maxOutputTokens: outputTokens,
      stopTokenIds: [],
      sampling: { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0 },
      receivedAtMs: submittedMs,
      deadlineMs: Number.MAX_SAFE_INTEGER,
      ...own,
    };
    const ended = Promise.withResolvers<Served>();
    this.#live.set(requestId, { submittedMs, tokenMs: [], ended });
    this.#loop.handle({ type: "submit", requests: [submitted] });
    return ended.promise;
  }

  /** Reads one adapter's file and copies it into pages, with nothing running: milliseconds. */
  async loadMs(adapter: number): Promise<number> {
    const { pool } = this.scheduler.parts;
    const begunMs = performance.now();
    const packed = await this.store.read(digestOf(adapter));
    if (packed === undefined) throw new Error(`adapter ${adapter} has no file`);
    const pages = Int32Array.from({ length: packed.pageCount }, () => pool.allocate("adapter"));
    this.engine.writePages({ pages, images: packed.images });
    const tookMs = performance.now() - begunMs;
    for (const page of pages) pool.release(page);
    return tookMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#loop.handle({ type: "close" });
    await this.#running;
    await this.store.settled();
    await rm(this.store.folder, { recursive: true, force: true });
  }

  #hear(message: FromWorker): void {
    if (message.type === "failed") throw new Error(message.message);
    if (message.type === "refused") {
      this.#take(message.requestId)?.ended.reject(new Error(message.error.message));
    }
    if (message.type !== "step") return;
    const nowMs = performance.now();
    for (const { requestId, newTokens, end } of message.progress) {
      const live = this.#live.get(requestId);
      if (live === undefined) continue;
      for (let i = 0; i < newTokens.length; i++) live.tokenMs.push(nowMs - live.submittedMs);
      if (end === null) continue;
      this.#take(requestId);
      if (end.error === null) live.ended.resolve({ tokenMs: live.tokenMs });
      else live.ended.reject(new Error(end.error.message));
    }
  }

  #take(requestId: string): Live | undefined {
    const live = this.#live.get(requestId);
    this.#live.delete(requestId);
    return live;
  }
}

function digestOf(index: number): string {
  return index.toString(16).padStart(64, "0");
}
