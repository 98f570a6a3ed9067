// Expected forms are those of CloudEvents 1.0 (JSON format) and of Stripe's API reference for meter events.
import { describe, expect, it } from "vitest";
import { meterEvents, usageEvent, type ToldEntry } from "./usage-event.ts";

const ENTRY: ToldEntry = {
  requestId: "req_01jd0000000000000000000001",
  attempt: 2,
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
  billedOutputTokens: 0,
  billedNanoUsd: 12_600,
  creditNanoUsd: 600,
  fault: null,
  estimated: false,
  receivedAtMs: 1_793_491_199_000,
  queueMs: 2,
  ttftMs: 30,
  endedAtMs: 1_793_491_200_999,
};

describe("a usage event", () => {
  it("is a CloudEvent whose id is the entry's key", () => {
    expect(usageEvent(ENTRY, { type: "fairlane.usage", subject: "acme" })).toEqual({
      specversion: "1.0",
      id: "req_01jd0000000000000000000001:2:0",
      source: "/fairlane/ledger",
      type: "fairlane.usage",
      subject: "acme",
      time: "2026-11-01T00:00:00.999Z",
      datacontenttype: "application/json",
      data: {
        tenant_id: "ten_a",
        project_id: "prj_a",
        key_id: "key_a",
        request_id: "req_01jd0000000000000000000001",
        attempt: 2,
        entry_seq: 0,
        model: "base",
        price_version: "v1",
        finish_reason: "stop",
        estimated: false,
        fault: null,
        prompt_tokens: 68,
        cached_tokens: 32,
        output_tokens: 0,
        cost_nano_usd: 12_600,
        credit_nano_usd: 600,
      },
    });
  });
});

describe("meter events", () => {
  it("are one for each metered measure that is not 0, in whole seconds", () => {
    const meters = { prompt_tokens: "llm_in", output_tokens: "llm_out", cost_nano_usd: "llm_cost" };
    const identifier = "req_01jd0000000000000000000001:2:0";
    expect(meterEvents(ENTRY, meters)).toEqual([
      {
        eventName: "llm_in",
        identifier: `${identifier}:prompt_tokens`,
        value: 68,
        timestampSeconds: 1_793_491_200,
      },
      {
        eventName: "llm_cost",
        identifier: `${identifier}:cost_nano_usd`,
        value: 12_600,
        timestampSeconds: 1_793_491_200,
      },
    ]);
  });

  it("have identifiers within Stripe's 100 characters for the longest id", () => {
    const requestId = "batch_01jd0000000000000000000001-49999-2";
    const entry = { ...ENTRY, requestId, attempt: 3, entrySeq: 12 };
    for (const { identifier } of meterEvents(entry, { cached_tokens: "a", cost_nano_usd: "b" })) {
      expect(identifier.length).toBeLessThanOrEqual(100);
    }
  });
});
