// Models whose layers see a window of positions, any requests, up to two steps in flight: what is said depends neither on
// the pages that were given back nor on those that the prefix cache had, and a request holds no more pages of a windowed
// group than its rows can see.
import fc from "fast-check";
import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { BatchRow } from "./batch.ts";
import { engineRequest } from "./testing/engine-request.ts";
import { nextToken } from "./testing/next-token.ts";
import { PagedCheckEngine } from "./testing/paged-check-engine.ts";
import { Scheduler } from "./scheduler.ts";
import { StepCycle } from "./step.ts";

const VOCAB_SIZE = 7;
const PAGE_TOKENS = 4;
const COMMON = Array.from({ length: 24 }, (_, index) => 1 + (index % (VOCAB_SIZE - 1)));

const setting = fc.record({
  slotCount: fc.integer({ min: 1, max: 4 }),
  pageCount: fc.integer({ min: 20, max: 48 }),
  stepBudgetTokens: fc.integer({ min: 1, max: 24 }),
  windows: fc.constantFrom<(number | null)[]>([6], [1], [13], [null, 6], [null, 1]),
});
const request = fc.record({
  // Prompts begin alike, and some are alike.
  prompt: fc
    .tuple(
      fc.integer({ min: 0, max: 24 }),
      fc.array(fc.integer({ min: 1, max: VOCAB_SIZE - 1 }), { minLength: 1, maxLength: 6 }),
    )
    .map(([length, rest]) => [...COMMON.slice(0, length), ...rest]),
  max: fc.integer({ min: 1, max: 20 }),
});

/** What a request says alone, of a model whose widest window is `windowTokens`. */
function alone(prompt: readonly number[], max: number, windowTokens: number | null): number[] {
  const context = [...prompt];
  const count = Math.min(max, 36 - prompt.length);
  for (let i = 0; i < count; i++) {
    const seen = windowTokens === null ? context : context.slice(-windowTokens);
    context.push(nextToken(seen, { vocabSize: VOCAB_SIZE, salt: 0 }));
  }
  return context.slice(prompt.length);
}

/** Blocks that `spanTokens` positions can touch. */
function blocksMax(spanTokens: number): number {
  return Math.ceil(spanTokens / PAGE_TOKENS) + 1;
}

/** The row's request holds no computed pages but those that the row sees, and others for two chunks at most. */
function checkRow(
  { request: running, firstPosition, tokenCount }: BatchRow,
  chunkTokensMax: number,
): void {
  for (const { windowTokens, held } of running.blocks.groups) {
    if (windowTokens === null || running.hasLeft) continue;
    expect(held.length).toBeLessThanOrEqual(blocksMax(windowTokens + 2 * chunkTokensMax));
    const computed = held.filter((entry) => entry.firstPosition <= firstPosition);
    expect(computed.length).toBeLessThanOrEqual(blocksMax(windowTokens + tokenCount));
  }
}

describe("windowed KV groups under the scheduler", () => {
  it("says what each request says alone, and gives pages back while it runs", () => {
    let [givenBack, cachedTokens] = [0, 0];
    fc.assert(
      fc.property(setting, fc.array(request, { minLength: 1, maxLength: 8 }), (given, requests) => {
        const engine = new PagedCheckEngine({
          ...given,
          pageTokens: PAGE_TOKENS,
          contextTokens: 36,
          vocabSize: VOCAB_SIZE,
        });
        const scheduler = new Scheduler({
          info: engine.info,
          clock: { nowMs: () => 0 },
          stepBudgetTokens: given.stepBudgetTokens,
          prefixCache: {
            model: { modelDigest: "model", ropeConfig: "rope" },
            sha256: (bytes) => hash("sha256", bytes, "base64"),
          },
        });
        const steps = new StepCycle(scheduler, engine);
        const said = requests.map(({ prompt, max }, index) => {
          const spec = {
            promptTokens: prompt,
            maxOutputTokens: max,
            stopTokenIds: [],
            tenantSalt: "salt",
          };
          expect(scheduler.submit(engineRequest(`req_${index}`, spec))).toBeNull();
          return [] as number[];
        });
        while (scheduler.hasWork || steps.inFlightCount > 0) {
          while (steps.inFlightCount < 2 && steps.start());
          for (const { blocks } of scheduler.parts.table.running) {
            const windowed = blocks.groups.at(-1);
            givenBack += (windowed?.entries.length ?? 0) - (windowed?.held.length ?? 0);
          }
          for (let index = 0; index < steps.batch.rowCount; index++)
            checkRow(steps.batch.row(index), engine.info.capacity.tokens);
          for (const { requestId, newTokens, counts, end } of steps.settle(engine.takeResult())) {
            said[Number(requestId.slice(4))]?.push(...newTokens);
            if (end !== null) cachedTokens += counts.cachedTokens;
          }
          scheduler.checkIntegrity();
        }
        const widest = given.windows.includes(null) ? null : Math.max(...given.windows.map(Number));
        expect(said).toEqual(requests.map(({ prompt, max }) => alone(prompt, max, widest)));
        scheduler.parts.room.flush();
        expect(scheduler.parts.pool.freeCount).toBe(given.pageCount);
      }),
      { numRuns: 200 },
    );
    expect(givenBack).toBeGreaterThan(1_000);
    expect(cachedTokens).toBeGreaterThan(1_000);
  });
});
