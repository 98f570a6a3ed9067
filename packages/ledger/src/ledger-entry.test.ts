import type { UsageRecord } from "@fairlane/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { billedTokens, ledgerEntry } from "./ledger-entry.ts";

const RECORD: UsageRecord = {
  tenant_id: "ten_a",
  seq: 1,
  request_id: "req_a",
  attempt: 1,
  project_id: "prj_a",
  key_id: "key_a",
  model: "base",
  price_version: "v1",
  final: true,
  finish_reason: "stop",
  prompt_tokens: 100,
  cached_tokens: 32,
  computed_prompt_tokens: 68,
  output_tokens: 5,
  received_at_ms: 1_000,
  queue_ms: 2,
  ttft_ms: 30,
  ended_at_ms: 1_100,
};
const PRICES = {
  version: "v1",
  models: {
    base: {
      inputNanoUsdPerMillion: 150_000_000,
      cachedInputNanoUsdPerMillion: 75_000_000,
      outputNanoUsdPerMillion: 600_000_000,
    },
  },
};
const INPUT = { nodeId: "node-a", epoch: 7, prices: PRICES, earlier: [], fault: null };

describe("ledgerEntry", () => {
  it("bills a batch's request at the class of its price version, by its id", () => {
    const billed = (requestId: string, batchPercent?: number): number => {
      const prices = batchPercent === undefined ? PRICES : { ...PRICES, batchPercent };
      const record = { ...RECORD, request_id: requestId };
      return ledgerEntry({ ...INPUT, prices, record }).billedNanoUsd;
    };
    const id = "batch_01jd0000000000000000000001-17-0";
    expect(billed(id, 50)).toBe(7_800);
    expect(billed(id, 75)).toBe(11_700);
    // A version from before there were batches.
    expect(billed(id)).toBe(15_600);
    expect(billed("req_a", 50)).toBe(15_600);
    expect(billed("batch_of_my_own-1-1", 50)).toBe(15_600);
  });

  it("carries the node's numbers beside what they cost", () => {
    expect(ledgerEntry({ ...INPUT, record: RECORD })).toEqual({
      requestId: "req_a",
      attempt: 1,
      entrySeq: 0,
      tenantId: "ten_a",
      projectId: "prj_a",
      keyId: "key_a",
      nodeId: "node-a",
      epoch: 7,
      model: "base",
      priceVersion: "v1",
      finishReason: "stop",
      promptTokens: 100,
      computedPromptTokens: 68,
      computedCachedTokens: 32,
      computedOutputTokens: 5,
      billedPromptTokens: 68,
      billedCachedTokens: 32,
      billedOutputTokens: 5,
      // 68 x 150 + 32 x 75 + 5 x 600
      billedNanoUsd: 15_600,
      fault: null,
      estimated: false,
      receivedAtMs: 1_000,
      queueMs: 2,
      ttftMs: 30,
      endedAtMs: 1_100,
    });
  });

  it("bills nothing for a request that was never scheduled", () => {
    const record = {
      ...RECORD,
      finish_reason: "cancelled" as const,
      cached_tokens: 0,
      computed_prompt_tokens: 0,
      output_tokens: 0,
      ttft_ms: null,
    };
    const entry = ledgerEntry({ ...INPUT, record });
    expect(entry.promptTokens).toBe(100);
    expect(entry.billedPromptTokens).toBe(0);
    expect(entry.billedNanoUsd).toBe(0);
    expect(entry.fault).toBeNull();
  });

  it("bills only the chunks that were computed when a request was cancelled in its prompt", () => {
    const record = { ...RECORD, cached_tokens: 0, computed_prompt_tokens: 48, output_tokens: 0 };
    expect(ledgerEntry({ ...INPUT, record }).billedNanoUsd).toBe(7_200);
  });

  it("does not bill what was computed again after a preemption", () => {
    const entry = ledgerEntry({ ...INPUT, record: { ...RECORD, computed_prompt_tokens: 136 } });
    expect(entry.computedPromptTokens).toBe(136);
    expect(entry.billedPromptTokens).toBe(68);
    expect(entry.billedNanoUsd).toBe(15_600);
  });

  it("keeps the computed tokens and bills nothing when the price is unknown", () => {
    const entry = ledgerEntry({ ...INPUT, record: RECORD, prices: undefined });
    expect(entry.fault).toBe("price_missing");
    expect(entry.computedPromptTokens).toBe(68);
    expect([entry.billedPromptTokens, entry.billedCachedTokens, entry.billedOutputTokens]).toEqual([
      0, 0, 0,
    ]);
    expect(entry.billedNanoUsd).toBe(0);
    const other = ledgerEntry({ ...INPUT, record: { ...RECORD, model: "other" } });
    expect(other.fault).toBe("price_missing");
  });

  it("keeps a fault that was found before pricing", () => {
    const entry = ledgerEntry({ ...INPUT, record: RECORD, fault: "counts_shrink" });
    expect([entry.fault, entry.billedNanoUsd]).toEqual(["counts_shrink", 0]);
  });

  it("makes no entry of a record that is not final", () => {
    const record = { ...RECORD, final: false };
    expect(() => ledgerEntry({ ...INPUT, record })).toThrow("not final: req_a");
  });
});

describe("billedTokens", () => {
  it("bills a second attempt only for what the first one did not reach", () => {
    const first = { final: true, computedPromptTokens: 48, cachedTokens: 0, outputTokens: 0 };
    expect(billedTokens({ ...RECORD, attempt: 2 }, [first])).toEqual({
      promptTokens: 20,
      cachedTokens: 32,
      outputTokens: 5,
    });
  });

  it("bills each position and output token once over all attempts, in any order", () => {
    const attempt = fc
      .record({ cached: fc.nat(100), computed: fc.nat(150), output: fc.nat(50) })
      .map(({ cached, computed, output }) => ({
        ...RECORD,
        cached_tokens: cached,
        computed_prompt_tokens: computed,
        output_tokens: output,
      }));
    fc.assert(
      fc.property(fc.array(attempt, { minLength: 1, maxLength: 4 }), (records) => {
        const earlier = [];
        let positions = 0;
        let outputTokens = 0;
        for (const record of records) {
          const billed = billedTokens(record, earlier);
          positions += billed.promptTokens + billed.cachedTokens;
          outputTokens += billed.outputTokens;
          earlier.push({
            final: true,
            computedPromptTokens: record.computed_prompt_tokens,
            cachedTokens: record.cached_tokens,
            outputTokens: record.output_tokens,
          });
        }
        const reached = records.map((record) =>
          Math.min(100, record.computed_prompt_tokens + record.cached_tokens),
        );
        expect(positions).toBe(Math.max(...reached));
        expect(outputTokens).toBe(Math.max(...records.map((record) => record.output_tokens)));
      }),
    );
  });
});
