import { describe, expect, it } from "vitest";
import type { Batch } from "./batch.ts";
import { StepBudget } from "./step-budget.ts";
import { builtBatch } from "./testing/built-batch.ts";
import { decodingRequest, prefillingRequest } from "./testing/engine-request.ts";
import type { Tier } from "./tier-turns.ts";

function rows(batch: Batch): string[] {
  return Array.from({ length: batch.rowCount }, (_, index) => {
    const { isDecode, tokenCount, firstPosition, isSampled, isFirst } = batch.row(index);
    const flags = `${isFirst ? " first" : ""}${isSampled ? " sampled" : ""}`;
    return `${isDecode ? "decode" : "chunk"} ${tokenCount}@${firstPosition}${flags}`;
  });
}

describe("buildBatch", () => {
  it("takes all decodes, then running prefills, then new requests; the last chunk is cut", () => {
    const running = [
      prefillingRequest(10, 6),
      decodingRequest(5, 1),
      prefillingRequest(7, 2),
      decodingRequest(3, 4),
    ];
    const { batch, joinCount } = builtBatch({
      running,
      waiting: [prefillingRequest(4), prefillingRequest(9), prefillingRequest(1)],
      budget: new StepBudget(20),
    });
    expect(rows(batch)).toEqual([
      "decode 1@5 sampled",
      "decode 1@6 sampled",
      "chunk 4@6 sampled",
      "chunk 5@2 sampled",
      "chunk 4@0 first sampled",
      "chunk 5@0 first",
    ]);
    expect([batch.tokenCount, batch.prefillTokenCount, joinCount]).toEqual([20, 18, 2]);
  });

  it("joins nobody once the budget is spent", () => {
    const { batch, joinCount } = builtBatch({
      running: [prefillingRequest(8)],
      waiting: [prefillingRequest(1)],
      budget: new StepBudget(8),
    });
    expect([rows(batch), joinCount]).toEqual([["chunk 8@0 first sampled"], 0]);
  });

  it("keeps every decode over the budget, and the minimum share for prefills", () => {
    const running = [
      ...Array.from({ length: 6 }, () => decodingRequest(1, 1)),
      prefillingRequest(9),
    ];
    const { batch } = builtBatch({ running, budget: new StepBudget(5) });
    expect(batch.decodeCount).toBe(6);
    expect(rows(batch)[6]).toBe("chunk 2@0 first");
    expect(batch.tokenCount).toBe(8);
  });

  it("leaves a prefill out when those before it take the budget", () => {
    const { batch } = builtBatch({
      running: [prefillingRequest(9), prefillingRequest(9)],
      budget: new StepBudget(6),
    });
    expect(rows(batch)).toEqual(["chunk 6@0 first"]);
  });

  it("plans from where steps in flight will end, and never past the output maximum", () => {
    const ending = decodingRequest(5, 14);
    const cut = prefillingRequest(9);
    const running = [ending, cut];
    const next = (): string[] => rows(builtBatch({ running, budget: new StepBudget(6) }).batch);
    expect(next()).toEqual(["decode 1@18 sampled", "chunk 5@0 first"]);
    expect(next()).toEqual(["decode 1@19 sampled", "chunk 4@5 sampled"]);
    // Its sixteenth and last token is in flight; the prompt's end is too, so the other decodes.
    expect(next()).toEqual(["decode 1@9 sampled"]);
    expect([ending.outputTokens, cut.computedPromptTokens]).toEqual([14, 0]);
  });

  it("leaves cancelled requests out", () => {
    const running = [decodingRequest(5, 1), prefillingRequest(4)];
    for (const request of running) request.isCancelRequested = true;
    expect(rows(builtBatch({ running, budget: new StepBudget(6) }).batch)).toEqual([]);
  });

  it("serves the tier whose turn it is first, the other in what is left", () => {
    const waiting = [prefillingRequest(3, 0, "batch"), prefillingRequest(4)];
    const running = [prefillingRequest(6, 0, "batch"), prefillingRequest(5)];
    const built = (tierOrder: readonly Tier[]): string[] => {
      const fresh = running.map((request) => ({ ...request }));
      const freshWaiting = waiting.map((request) => ({ ...request }));
      const budget = new StepBudget(16);
      const { batch } = builtBatch({ running: fresh, waiting: freshWaiting, budget, tierOrder });
      return rows(batch);
    };
    expect(built(["interactive", "batch"])).toEqual([
      "chunk 5@0 first sampled",
      "chunk 4@0 first sampled",
      "chunk 6@0 first sampled",
      "chunk 1@0 first",
    ]);
    expect(built(["batch", "interactive"])).toEqual([
      "chunk 6@0 first sampled",
      "chunk 3@0 first sampled",
      "chunk 5@0 first sampled",
      "chunk 2@0 first",
    ]);
  });
});
