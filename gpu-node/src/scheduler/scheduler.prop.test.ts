import { hash } from "node:crypto";
import { isLongRun } from "@fairlane/testkit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AdmissionMode, RequestProgress } from "../engine/worker-messages.ts";
import { PREEMPTIONS_MAX } from "../limits.ts";
import type { RunningRequest } from "../request/request.ts";
import { isWaiting } from "../request/request-table.ts";
import type { VictimOrder } from "./preemption.ts";
import { Scheduler } from "./scheduler.ts";
import { StepCycle } from "./step.ts";
import { engineRequest } from "./testing/engine-request.ts";
import { MemorySwap } from "./testing/memory-swap.ts";
import { outputAlone } from "./testing/next-token.ts";
import { PagedCheckEngine } from "./testing/paged-check-engine.ts";

const VOCAB_SIZE = 50;
const STOP_TOKEN = 7;

/** Two beginnings that many prompts share. */
const BEGINNINGS = [5, 6].map((step) => Array.from({ length: 24 }, (_, i) => (i * step) % 50));

/** What the naive model knows of a request: it needs no pages, slots, batches, caches or preemptions. */
interface Expected {
  readonly salt: string | undefined;
  readonly prompt: readonly number[];
  readonly output: readonly number[];
  /** Since the cancel of a live request: steps settled, and the pages that it held then. */
  cancel: { settled: number; pages: readonly number[] } | null;
  isCancelled: boolean;
  readonly said: number[];
  last: RequestProgress | null;
}

type Command =
  | {
      readonly do: "submit";
      readonly prompt: number[];
      readonly salt: string | undefined;
      readonly max: number;
      /** 0: greedy. */
      readonly seed: number;
      /** Further answers to the prompt. */
      readonly forkCount: number;
    }
  /** The next turn of a chat: an earlier prompt and its output, and a few tokens more. */
  | { readonly do: "goOn"; readonly at: number; readonly rest: number[]; readonly max: number }
  /** Of the request and all its forks, or of one of them. */
  | { readonly do: "cancel"; readonly at: number; readonly only: number | null }
  | { readonly do: "start" | "settle" }
  /** A copy to or from the swap space ends, or fails. */
  | { readonly do: "copy"; readonly fails: boolean };

const token = fc.nat(VOCAB_SIZE - 1);

const prompt = fc.oneof(
  fc.array(token, { minLength: 1, maxLength: 30 }),
  fc
    .record({
      of: fc.constantFrom(...BEGINNINGS),
      length: fc.nat(24),
      rest: fc.array(token, { minLength: 1, maxLength: 6 }),
    })
    .map(({ of, length, rest }) => [...of.slice(0, length), ...rest]),
);

const command: fc.Arbitrary<Command> = fc.oneof(
  { arbitrary: fc.constant({ do: "start" } as const), weight: 4 },
  { arbitrary: fc.constant({ do: "settle" } as const), weight: 4 },
  {
    arbitrary: fc.record({
      do: fc.constant("submit" as const),
      prompt,
      // Two tenants, and requests that want none of the cache.
      salt: fc.constantFrom("a", "a", "b", undefined),
      max: fc.integer({ min: 1, max: 20 }),
      seed: fc.constantFrom(0, 0, 5, 6),
      forkCount: fc.constantFrom(0, 0, 0, 1, 2),
    }),
    weight: 3,
  },
  {
    arbitrary: fc.record({
      do: fc.constant("goOn" as const),
      at: fc.nat(30),
      rest: fc.array(token, { minLength: 1, maxLength: 3 }),
      max: fc.integer({ min: 1, max: 12 }),
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      do: fc.constant("cancel" as const),
      at: fc.nat(30),
      only: fc.constantFrom(null, null, 0, 1),
    }),
    weight: 1,
  },
  {
    arbitrary: fc.record({
      do: fc.constant("copy" as const),
      fails: fc.constantFrom(true, false, false, false),
    }),
    weight: 2,
  },
);

const setting = fc.record({
  slotCount: fc.integer({ min: 1, max: 5 }),
  pageCount: fc.integer({ min: 9, max: 20 }),
  stepBudgetTokens: fc.integer({ min: 1, max: 24 }),
  admission: fc.constantFrom<AdmissionMode>("strict", "optimistic", "optimistic"),
  /** Room of the swap space; null: there is none. */
  swapPages: fc.constantFrom(null, 6, 100),
  victimOrder: fc.constantFrom<VictimOrder>(
    (running) => running.at(-1),
    (running) => running[0],
  ),
});

interface Setting {
  readonly slotCount: number;
  readonly pageCount: number;
  readonly stepBudgetTokens: number;
  readonly admission: AdmissionMode;
  readonly swapPages: number | null;
  readonly victimOrder: VictimOrder;
}

function forkOf(requestId: string, seed: number, choice: number) {
  const seedLow = seed === 0 ? 0 : seed + 10 * choice;
  return { requestId: `${requestId}#${choice}`, seedLow, seedHigh: 0 };
}

/** A row of a step in flight. */
interface RowInFlight {
  readonly request: RunningRequest;
  /** Computes the last output before a preemption, as a decode would. */
  readonly isResumed: boolean;
}

/** Runs commands against scheduler and model side by side, checking every invariant at every step. */
class Trial {
  readonly expected = new Map<string, Expected>();
  readonly engine: PagedCheckEngine;
  readonly #scheduler: Scheduler;
  readonly #steps: StepCycle;
  readonly #stepBudgetTokens: number;
  /** Requests that found tokens in the cache which nobody but the engine had said. */
  outputHits = 0;
  readonly #isStrict: boolean;
  readonly #swap: MemorySwap | null = null;
  readonly #joined = new Set<string>();
  readonly #inFlight: RowInFlight[][] = [];
  #resumedCount = 0;
  /** First position that no row has computed yet. */
  readonly #nextPosition = new Map<string, number>();

  constructor(setting: Setting) {
    this.engine = new PagedCheckEngine({
      ...setting,
      pageTokens: 4,
      contextTokens: 36,
      vocabSize: VOCAB_SIZE,
    });
    this.#stepBudgetTokens = setting.stepBudgetTokens;
    this.#isStrict = setting.admission === "strict";
    const { swapPages: pageCountMax } = setting;
    if (pageCountMax !== null) this.#swap = new MemorySwap({ engine: this.engine, pageCountMax });
    this.#scheduler = new Scheduler({
      info: this.engine.info,
      clock: { nowMs: () => 0 },
      stepBudgetTokens: setting.stepBudgetTokens,
      admission: setting.admission,
      victimOrder: setting.victimOrder,
      swapSpace: this.#swap ?? undefined,
      prefixCache: {
        model: { modelDigest: "model", ropeConfig: "rope" },
        sha256: (bytes) => hash("sha256", bytes, "base64"),
      },
      waitingBounds: { requestsMax: 8, requestsPerTenantMax: 8, promptTokensMax: 1_000 },
    });
    this.#steps = new StepCycle(this.#scheduler, this.engine);
  }

  run(next: Command): void {
    if (next.do === "submit") this.#submit(next);
    else if (next.do === "goOn") this.#goOn(next);
    else if (next.do === "cancel") this.#cancelOf(next);
    else if (next.do === "copy") this.#swap?.runOne(next.fails);
    else if (next.do === "start" && this.#steps.inFlightCount < 2) this.#start();
    else if (next.do === "settle" && this.#steps.inFlightCount > 0) this.#settle();
    this.#scheduler.checkIntegrity();
  }

  /** Steps until nothing is left; every request needs at most one step a token. */
  finish(): void {
    for (let steps = 0; this.#scheduler.hasWork || this.#steps.inFlightCount > 0; steps++) {
      expect(steps).toBeLessThan(5_000);
      while (this.#steps.inFlightCount < 2 && this.#start());
      if (this.#steps.inFlightCount > 0) this.#settle();
      else expect(this.#swap?.runOne(steps % 4 === 0)).toBe(true);
    }
    while (this.#swap?.runOne());
    expect(this.#swap?.keptCount ?? 0).toBe(0);
  }

  #goOn({ at, rest, max }: Extract<Command, { do: "goOn" }>): void {
    const earlier = this.expected.get(`req_${at}`);
    if (earlier === undefined) return;
    const prompt = [...earlier.prompt, ...earlier.output, ...rest].slice(0, 35);
    this.#submit({ do: "submit", prompt, salt: earlier.salt, max, seed: 0, forkCount: 0 });
  }

  get preemptions() {
    return this.#scheduler.preemptions;
  }

  #submit({ prompt, salt, max, seed, forkCount }: Extract<Command, { do: "submit" }>): void {
    const requestId = `req_${this.expected.size}`;
    const request = engineRequest(requestId, {
      promptTokens: prompt,
      maxOutputTokens: max,
      stopTokenIds: [STOP_TOKEN],
      sampling: { temperature: Math.min(seed, 1), topP: 1, topK: 0, seedLow: seed, seedHigh: 0 },
      ...(salt === undefined ? {} : { tenantSalt: salt }),
      ...(forkCount === 0
        ? {}
        : { forks: [1, 2].slice(0, forkCount).map((choice) => forkOf(requestId, seed, choice)) }),
    });
    const error = this.#scheduler.submit(request);
    if (error !== null) {
      if (forkCount > 0 && error.param === "n") return;
      expect(error.code).toBe("overloaded");
      expect(this.#scheduler.load.waiting).toBeGreaterThanOrEqual(8);
      return;
    }
    const count = Math.min(max, 36 - prompt.length);
    for (let choice = 0; choice <= forkCount; choice++) {
      const id = choice === 0 ? requestId : `${requestId}#${choice}`;
      const ownSeed = seed === 0 ? 0 : seed + 10 * choice;
      const output = outputAlone(prompt, { count, vocabSize: VOCAB_SIZE, salt: ownSeed });
      this.expected.set(id, {
        salt,
        prompt,
        output,
        cancel: null,
        isCancelled: false,
        said: [],
        last: null,
      });
    }
  }

  #cancelOf({ at, only }: Extract<Command, { do: "cancel" }>): void {
    const family = [`req_${at}`, `req_${at}#1`, `req_${at}#2`];
    const isQueued = this.#scheduler.parts.table.get(`req_${at}`)?.state === "queued";
    // Forks of a queued request are not there yet and end with it.
    if (isQueued) for (const id of family) this.#mark(id);
    for (const id of only === null ? family : family.slice(only, only + 1)) this.#cancel(id);
  }

  #mark(requestId: string): void {
    const expected = this.expected.get(requestId);
    if (expected !== undefined) expected.isCancelled = true;
  }

  #cancel(requestId: string): void {
    const expected = this.expected.get(requestId);
    const live = this.#scheduler.parts.table.get(requestId);
    if (expected !== undefined && live !== undefined) {
      expected.isCancelled = true;
      const held = isWaiting(live) ? [] : live.blocks.entries;
      expected.cancel ??= { settled: 0, pages: held.map(({ page }) => page) };
    }
    this.#hear(this.#scheduler.cancel([requestId]));
    const ended = expected?.last?.end ?? null;
    if (ended !== null && expected?.cancel) this.#forgetFreed(expected.cancel);
  }

  #start(): boolean {
    const decodable = this.#scheduler.parts.table.running.filter(
      (request) =>
        request.plannedPrefillTokens === request.prefillTokens.length &&
        request.plannedOutputTokens < request.outputTokensMax &&
        !request.isCancelRequested,
    );
    const hadNoneInFlight = this.#steps.inFlightCount === 0;
    const hasStarted = this.#steps.start();
    const { isCopying } = this.#scheduler;
    if (hadNoneInFlight && !isCopying) expect(hasStarted).toBe(this.#scheduler.hasWork);
    if (!hasStarted) {
      // A decode that lacks a page waits for the step in flight, never for its turn.
      if (this.#isStrict || (hadNoneInFlight && !isCopying)) expect(decodable).toEqual([]);
      return false;
    }
    const { batch } = this.#steps;
    const rows = Array.from({ length: batch.rowCount }, (_, index) => batch.row(index));
    // i, vii: every running decode that was not preempted is in every step
    const decodes = decodable.filter(({ hasLeft }) => !hasLeft);
    expect(rows.slice(0, decodes.length).map((row) => row.request)).toEqual(decodes);
    if (this.#isStrict) expect(decodes).toEqual(decodable);
    // ii: the budget holds
    const share = Math.min(16, Math.ceil(this.#stepBudgetTokens / 4));
    const budgetTokens = Math.max(this.#stepBudgetTokens, batch.decodeCount + share);
    expect(batch.tokenCount).toBeLessThanOrEqual(budgetTokens);
    // iii: at most one chunk is cut short, and it is the last
    const cut = rows.findIndex((row) => !row.isSampled);
    expect([-1, rows.length - 1]).toContain(cut);
    for (const { request, firstPosition, tokenCount, isFirst } of rows) {
      const { requestId } = request.spec;
      if (isFirst) this.#joined.add(requestId);
      if (isFirst) this.#nextPosition.set(requestId, request.startPosition);
      // iv: rows go on where the last one ended
      expect(firstPosition).toBe(this.#nextPosition.get(requestId));
      this.#nextPosition.set(requestId, firstPosition + tokenCount);
      expect(request.preemptionCount).toBeLessThanOrEqual(PREEMPTIONS_MAX);
    }
    const inFlight = rows.map(({ request, isDecode, isSampled }) => {
      const isResumed = !isDecode && isSampled && request.outputTokens > 0;
      return { request, isResumed };
    });
    this.#inFlight.push(inFlight);
    return true;
  }

  #settle(): void {
    const rows = this.#inFlight.shift() ?? [];
    this.#resumedCount += rows.filter((row) => row.isResumed && !row.request.hasLeft).length;
    this.#hear(this.#steps.settle(this.engine.takeResult()));
    for (const { cancel, last } of this.expected.values()) {
      if (cancel === null) continue;
      cancel.settled += 1;
      // A cancelled request has ended by the first step settled after the cancel, its pages are free by the second.
      expect(last?.end).not.toBeNull();
      this.#forgetFreed(cancel);
      if (cancel.settled === 2) expect(cancel.pages).toEqual([]);
    }
  }

  /** Takes out pages that were free for a moment; another request may have them from then on. */
  #forgetFreed(cancel: { pages: readonly number[] }): void {
    const quarantined = new Set(this.#scheduler.parts.pool.snapshot().quarantinedPages);
    cancel.pages = cancel.pages.filter((page) => quarantined.has(page));
  }

  #hear(progress: readonly RequestProgress[]): void {
    for (const item of progress) {
      const expected = this.expected.get(item.requestId);
      expect(expected?.last?.end ?? null).toBeNull();
      if (expected === undefined) throw new Error(`progress of unknown ${item.requestId}`);
      expected.said.push(...item.newTokens);
      expected.last = item;
    }
  }

  /** What is cached was computed for a request of the same tenant before, and the last token never is. */
  #checkCached(requestId: string, cachedTokens: number): void {
    const own = this.expected.get(requestId);
    if (own === undefined || cachedTokens === 0) return;
    expect(cachedTokens).toBeLessThan(own.prompt.length);
    // A fork has its prompt from the request that it joined with.
    if (requestId.includes("#")) return;
    const begin = String(own.prompt.slice(0, cachedTokens));
    const sources = [...this.expected].filter(
      ([id, { salt, prompt, said }]) =>
        id !== requestId &&
        salt === own.salt &&
        String([...prompt, ...said].slice(0, cachedTokens)) === begin,
    );
    expect(own.salt).toBeDefined();
    expect(sources.length).toBeGreaterThan(0);
    if (sources.every(([, { prompt }]) => prompt.length < cachedTokens)) this.outputHits += 1;
  }

  /** After `finish`: all ended, all pages are free or cache, after a flush free; all counts are the engine's. */
  checkEnd(): void {
    const { load } = this.#scheduler;
    expect(load).toMatchObject({ running: 0, waiting: 0, pagesFree: load.pagesTotal });
    const { pool, room } = this.#scheduler.parts;
    room.flush();
    expect(pool.freeCount).toBe(load.pagesTotal);
    let computedPromptTokens = 0;
    let outputTokens = 0;
    let recomputedTokens = 0;
    for (const [id, { prompt, output, said, last, isCancelled }] of this.expected) {
      if (last === null) throw new Error("a request was never heard of");
      this.#checkCached(id, last.counts.cachedTokens);
      computedPromptTokens += last.counts.computedPromptTokens;
      outputTokens += last.counts.outputTokens;
      recomputedTokens += last.counts.recomputedTokens ?? 0;
      const stopAt = output.indexOf(STOP_TOKEN);
      const whole = stopAt < 0 ? output : output.slice(0, stopAt);
      expect(said).toEqual(whole.slice(0, said.length));
      if (last.end?.reason === "cancelled") {
        expect(isCancelled).toBe(true);
        expect(last.counts.outputTokens).toBe(said.length);
        continue;
      }
      expect(said).toEqual(whole);
      expect(last.end).toEqual({ reason: stopAt < 0 ? "length" : "stop", error: null });
      expect(last.counts.computedPromptTokens + last.counts.cachedTokens).toBe(prompt.length);
      expect(last.counts.outputTokens).toBe(stopAt < 0 ? whole.length : whole.length + 1);
    }
    // computed = charged + recomputed + discarded
    const { discarded } = this.#steps;
    const chargedTokens = computedPromptTokens + this.#resumedCount;
    expect(chargedTokens + recomputedTokens + discarded.promptTokens).toBe(
      this.engine.hostTokensComputed,
    );
    expect(recomputedTokens).toBe(this.preemptions.recomputedTokens);
    expect(outputTokens + discarded.outputTokens).toBe(this.engine.tokensSampled);
    // v: joins in the order of arrival; a fork begins some steps after its request
    const isRoot = (id: string): boolean => !id.includes("#");
    const order = [...this.expected.keys()].filter((id) => isRoot(id) && this.#joined.has(id));
    expect([...this.#joined].filter(isRoot)).toEqual(order);
  }
}

describe("Scheduler, any sequence of submits, cancels and steps, up to two in flight", () => {
  it("keeps Sarathi-Serve's invariants, conserves pages, ends every request, counts what was computed", () => {
    let [cachedTokens, outputHits] = [0, 0];
    let [recomputeCount, recomputedTokens, sharedTokens] = [0, 0, 0];
    let [swapCount, loadedBytes, failureCount] = [0, 0, 0];
    fc.assert(
      fc.property(setting, fc.array(command, { maxLength: 80, size: "max" }), (given, commands) => {
        const trial = new Trial(given);
        for (const next of commands) trial.run(next);
        trial.finish();
        trial.checkEnd();
        outputHits += trial.outputHits;
        for (const [id, { last }] of trial.expected) {
          if (id.includes("#")) sharedTokens += last?.counts.cachedTokens ?? 0;
          else cachedTokens += last?.counts.cachedTokens ?? 0;
        }
        recomputeCount += trial.preemptions.recomputeCount;
        recomputedTokens += trial.preemptions.recomputedTokens;
        swapCount += trial.preemptions.swapCount;
        loadedBytes += trial.preemptions.loadedBytes;
        failureCount += trial.preemptions.swapFailureCount;
      }),
      { numRuns: isLongRun() ? 10_000 : 400 },
    );
    expect(cachedTokens).toBeGreaterThan(1_000);
    expect(outputHits).toBeGreaterThan(10);
    expect(recomputeCount).toBeGreaterThan(15);
    expect(recomputedTokens).toBeGreaterThan(150);
    expect([swapCount > 25, loadedBytes > 500, failureCount > 3]).toEqual([true, true, true]);
    expect(sharedTokens).toBeGreaterThan(5_000);
  });
});
