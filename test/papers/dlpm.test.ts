// Reproduces what "Locality-aware Fair Scheduling in LLM Serving" claims of the deficit longest-prefix-match order, with
// the scheduler and the prefix cache that ship, in virtual time: more of the prompts come from the cache than under
// VTC, so more is served in the same time, and service stays within 2 (U + Q). Orders and bounds are asserted.
import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { SimulatedEngine } from "../../gpu-node/src/engine/simulated-engine.ts";
import { VirtualClock } from "../../gpu-node/src/engine/virtual-clock.ts";
import type { EngineRequest } from "../../gpu-node/src/engine/worker-messages.ts";
import { stepCapacityFor } from "../../gpu-node/src/scheduler/scheduler-parts.ts";
import { Scheduler } from "../../gpu-node/src/scheduler/scheduler.ts";
import { StepCycle } from "../../gpu-node/src/scheduler/step.ts";
import { A10G } from "../bench/fairness/a10g.ts";

const PREFIX_TOKENS = 256;
const SUFFIX_TOKENS = 32;
const OUTPUT_TOKENS = 16;
/** Eight prefixes for each of two tenants; the pool holds about three beside what runs. */
const PREFIXES = 8;
const POOL_TOKENS = 2_048;
const WAITING = 24;
const SECONDS = 60;
const sizes = { slotCount: 4, stepBudgetTokens: 512 };

interface Totals {
  cachedTokens: number;
  endedCount: number;
  readonly units: Map<string, number>;
  largestGapUnits: number;
}

/** Both tenants always wait, with their prefixes in turn. */
async function serve(order: "vtc" | "dlpm"): Promise<Totals> {
  const clock = new VirtualClock();
  const engine = new SimulatedEngine({
    clock,
    cost: A10G,
    vocabSize: 32_000,
    contextTokens: 1_024,
    pageCount: POOL_TOKENS / 16,
    slotCount: sizes.slotCount,
    capacity: stepCapacityFor(sizes),
  });
  const prefixCache = {
    model: { modelDigest: "model", ropeConfig: "rope" },
    sha256: (bytes: Uint8Array) => hash("sha256", bytes, "base64"),
  };
  const scheduler = new Scheduler({
    info: engine.info,
    clock,
    stepBudgetTokens: sizes.stepBudgetTokens,
    admission: "strict",
    fairness: { order, cost: "linear", cachedPercent: 0 },
    prefixCache,
  });
  const steps = new StepCycle(scheduler, engine);
  const totals: Totals = { cachedTokens: 0, endedCount: 0, units: new Map(), largestGapUnits: 0 };
  const waiting = new Map([
    ["a", 0],
    ["b", 0],
  ]);
  let sentCount = 0;
  while (clock.nowUs < SECONDS * 1e6) {
    for (const [tenantId, count] of waiting) {
      for (let missing = WAITING - count; missing > 0; missing--) {
        expect(scheduler.submit(requestOf(tenantId, sentCount))).toBeNull();
        sentCount += 1;
      }
      waiting.set(tenantId, WAITING);
    }
    while (steps.inFlightCount < 2 && steps.start());
    const outcome = await engine.waitStep({ timeoutMs: 1e9 });
    if (outcome.state !== "done") throw new Error("the step timed out");
    for (const { requestId, counts, end } of steps.settle(outcome.result)) {
      if (end === null) continue;
      const [tenantId = ""] = requestId.split("-");
      waiting.set(tenantId, (waiting.get(tenantId) ?? 0) - 1);
      const { cachedTokens, computedPromptTokens, outputTokens } = counts;
      const units = computedPromptTokens + 2 * outputTokens;
      totals.cachedTokens += cachedTokens;
      totals.endedCount += 1;
      totals.units.set(tenantId, (totals.units.get(tenantId) ?? 0) + units);
      const gap = Math.abs((totals.units.get("a") ?? 0) - (totals.units.get("b") ?? 0));
      totals.largestGapUnits = Math.max(totals.largestGapUnits, gap);
    }
  }
  return totals;
}

function requestOf(tenantId: string, index: number): EngineRequest {
  const prompt = new Int32Array(PREFIX_TOKENS + SUFFIX_TOKENS).fill(index);
  prompt.fill(1_000 + (Math.floor(index / 2) % PREFIXES), 0, PREFIX_TOKENS);
  return {
    requestId: `${tenantId}-${index}`,
    tenantId,
    tenantSalt: tenantId,
    weight: 1,
    tier: "interactive",
    promptTokens: prompt,
    maxOutputTokens: OUTPUT_TOKENS,
    stopTokenIds: [],
    sampling: { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0 },
    receivedAtMs: 0,
    deadlineMs: Number.MAX_SAFE_INTEGER,
  };
}

describe("DLPM", () => {
  it("takes more prompts from the cache than VTC, serves more, and stays within 2 (U + Q)", async () => {
    const [vtc, dlpm] = [await serve("vtc"), await serve("dlpm")];
    expect(dlpm.cachedTokens).toBeGreaterThan(1.5 * vtc.cachedTokens);
    expect(dlpm.endedCount).toBeGreaterThan(1.1 * vtc.endedCount);
    // U = 2 * 2,048, Q = 4,096.
    expect(dlpm.largestGapUnits).toBeLessThanOrEqual(2 * (4_096 + 4_096));
    expect(vtc.largestGapUnits).toBeLessThanOrEqual(2 * 4_096);
    process.stdout.write(
      `DLPM over VTC: cached prompt ${(dlpm.cachedTokens / vtc.cachedTokens).toFixed(2)}, ` +
        `requests ${(dlpm.endedCount / vtc.endedCount).toFixed(2)}\n`,
    );
  });
});
