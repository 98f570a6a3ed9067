import type { UsageRecord } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { applyRecord } from "./usage-attempt.ts";

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

describe("applyRecord", () => {
  it("takes over the newest cumulative counts", () => {
    const first = applyRecord(undefined, { ...RECORD, final: false, output_tokens: 2 });
    expect(first).toEqual({
      ok: true,
      value: { final: false, computedPromptTokens: 68, cachedTokens: 32, outputTokens: 2 },
    });
    const known = first.ok ? first.value : undefined;
    expect(applyRecord(known, RECORD)).toEqual({
      ok: true,
      value: { final: true, computedPromptTokens: 68, cachedTokens: 32, outputTokens: 5 },
    });
  });

  it("takes nothing after the final record", () => {
    const closed = { final: true, computedPromptTokens: 68, cachedTokens: 32, outputTokens: 5 };
    expect(applyRecord(closed, RECORD)).toEqual({ ok: false, error: "already_final" });
  });

  it("takes no falling count", () => {
    const known = { final: false, computedPromptTokens: 68, cachedTokens: 32, outputTokens: 6 };
    expect(applyRecord(known, RECORD)).toEqual({ ok: false, error: "counts_shrink" });
  });

  it("takes no cached tokens beyond the prompt and no count out of range", () => {
    const fault = (change: Partial<UsageRecord>) =>
      applyRecord(undefined, { ...RECORD, ...change });
    expect(fault({ cached_tokens: 101 })).toEqual({ ok: false, error: "counts_invalid" });
    expect(fault({ output_tokens: -1 })).toEqual({ ok: false, error: "counts_invalid" });
    expect(fault({ prompt_tokens: 1_000_000_001 })).toEqual({ ok: false, error: "counts_invalid" });
  });

  it("takes more computed than asked: a preempted request is computed again", () => {
    expect(applyRecord(undefined, { ...RECORD, computed_prompt_tokens: 136 }).ok).toBe(true);
  });
});
