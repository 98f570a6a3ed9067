// Shows the order of events of a step and the end of streams, with a scripted engine.
import type { EngineRequest } from "../engine/worker-messages.ts";
import type { BilledProgress } from "../usage/usage-journal.ts";
import { beforeEach, describe, expect, it } from "vitest";
import { LiveStreams } from "./live-streams.ts";
import { LIVE_REQUESTS_PER_TENANT_MAX } from "./limits.ts";
import { LETTER_MODEL } from "./testing/letter-model.ts";
import { ScriptedEngine } from "./testing/scripted-engine.ts";
import { TokenStream, type Detokenizer } from "./token-stream.ts";

let events: string[] = [];
let journaled: (readonly BilledProgress[])[] = [];
let nowMs = 0;
let engine: ScriptedEngine;
let streams: LiveStreams;

function request(requestId: string, options: Partial<EngineRequest> = {}): EngineRequest {
  return {
    requestId,
    tenantId: "ten_a",
    weight: 1,
    tier: "interactive",
    promptTokens: Int32Array.of(1, 2, 3),
    maxOutputTokens: 3,
    stopTokenIds: [0],
    sampling: { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0 },
    receivedAtMs: 100,
    deadlineMs: 10_000,
    ...options,
  };
}

function add(
  one: EngineRequest,
  detokenizer: Detokenizer = LETTER_MODEL.makeDetokenizer(),
  stopStrings: readonly string[] = [],
): void {
  const sink = {
    tokens: ({
      fromToken,
      tokenCount,
      text,
    }: {
      fromToken: number;
      tokenCount: number;
      text: string;
    }) => events.push(`${one.requestId} ${fromToken}+${tokenCount} '${text}'`),
    ended: ({ reason, error }: { reason: string; error: { code: string } | null }) =>
      events.push(`${one.requestId} ended ${reason} ${error?.code ?? "-"}`),
  };
  streams.add(
    new TokenStream({
      request: one,
      detokenizer,
      sink,
      stopStrings,
      tokenBytes: (token) => LETTER_MODEL.tokenBytes(token),
    }),
  );
}

beforeEach(() => {
  events = [];
  journaled = [];
  nowMs = 130;
  engine = new ScriptedEngine((message) => {
    if (message.type === "step") streams.step(message);
  });
  streams = new LiveStreams({
    journal: {
      commitStep: (progress) => {
        if (progress.length > 0) events.push("journal");
        journaled.push(progress);
      },
    },
    clock: { nowMs: () => nowMs },
    cancelAtEngine: engine.cancel,
    observer: {
      streamEnded: (stream, end) => events.push(`observed ${stream.requestId} ${end.reason}`),
      stepDelivered: (stepId, growth) => events.push(`step ${stepId} +${growth.outputTokens}`),
    },
  });
});

describe("LiveStreams", () => {
  it("journals a step before sinks hear of it", () => {
    const one = request("r1", { maxOutputTokens: 2 });
    add(one);
    streams.bill("r1", 7);
    engine.submit([one]);
    engine.step();
    nowMs = 150;
    engine.step();
    expect(events).toEqual([
      "journal",
      "r1 0+1 'a'",
      "step 1 +1",
      "journal",
      "r1 1+1 'b'",
      "r1 ended length -",
      "observed r1 length",
      "step 2 +1",
    ]);
    expect(journaled[1]).toEqual([
      {
        key: 7,
        counts: {
          cachedTokens: 0,
          computedPromptTokens: 3,
          outputTokens: 2,
          queueMs: 1,
          ttftMs: 30,
        },
        finishReason: "length",
      },
    ]);
    expect(streams.count).toBe(0);
  });

  it("lets nothing out when the journal cannot be written", () => {
    const broken = new LiveStreams({
      journal: {
        commitStep: () => {
          throw new Error("disk full");
        },
      },
      clock: { nowMs: () => 0 },
      cancelAtEngine: () => {},
      observer: { streamEnded: () => {}, stepDelivered: () => events.push("delivered") },
    });
    streams = broken;
    add(request("r1"));
    engine.submit([request("r1")]);
    expect(() => engine.step()).toThrow("disk full");
    expect(events).toEqual([]);
  });

  it("does not journal requests that are not billed", () => {
    add(request("r1"));
    engine.submit([request("r1")]);
    engine.step();
    expect(journaled).toEqual([[]]);
  });

  it("counts a stop token and gives it no text", () => {
    add(request("r1"));
    engine.submit([request("r1")]);
    engine.stop("r1");
    expect(events).toEqual(["r1 0+1 ''", "r1 ended stop -", "observed r1 stop", "step 1 +1"]);
  });

  it("keeps bytes of an incomplete character back and flushes them with the last token", () => {
    let held = "";
    const detokenizer = {
      push: (tokens: readonly number[]) => {
        held += String.fromCharCode(...tokens);
        return "";
      },
      flush: () => `<${held}>`,
    };
    add(request("r1", { maxOutputTokens: 2 }), detokenizer);
    engine.submit([request("r1", { maxOutputTokens: 2 })]);
    engine.step();
    engine.step();
    expect(events.filter((event) => event.startsWith("r1"))).toEqual([
      "r1 0+1 ''",
      "r1 1+1 '<ab>'",
      "r1 ended length -",
    ]);
  });

  it("ends at a stop string: tells the engine, counts what it computed meanwhile, delivers none of it", () => {
    const asked: string[] = [];
    const late = new LiveStreams({
      journal: { commitStep: (progress) => journaled.push(progress) },
      clock: { nowMs: () => nowMs },
      cancelAtEngine: (ids) => asked.push(...ids),
      observer: {
        streamEnded: (stream, end) => events.push(`observed ${stream.requestId} ${end.reason}`),
        stepDelivered: () => {},
      },
    });
    streams = late;
    const one = request("r1", { maxOutputTokens: 9 });
    add(one, LETTER_MODEL.makeDetokenizer(), ["cd"]);
    late.bill("r1", 7);
    engine.submit([one]);
    for (let step = 0; step < 4; step++) engine.step();
    expect(asked).toEqual(["r1"]);
    engine.step(); // was under way when the engine was told
    engine.end("r1", "cancelled");
    expect(events).toEqual([
      "r1 0+1 'a'",
      "r1 1+1 'b'",
      "r1 2+1 ''",
      "r1 3+1 ''",
      "r1 4+1 ''",
      "r1 ended stop -",
      "observed r1 stop",
    ]);
    const last = journaled.at(-1)?.[0];
    expect([last?.finishReason, last?.counts.outputTokens]).toEqual(["stop", 5]);
    expect(asked).toEqual(["r1"]);
  });

  it("lets out what was held back for a stop string that never came", () => {
    const one = request("r1", { maxOutputTokens: 3 });
    add(one, LETTER_MODEL.makeDetokenizer(), ["cx"]);
    engine.submit([one]);
    for (let step = 0; step < 3; step++) engine.step();
    expect(events.filter((event) => event.startsWith("r1"))).toEqual([
      "r1 0+1 'a'",
      "r1 1+1 'b'",
      "r1 2+1 'c'",
      "r1 ended length -",
    ]);
  });

  it("says stop when the stop string is complete with the last token allowed", () => {
    const one = request("r1", { maxOutputTokens: 3 });
    add(one, LETTER_MODEL.makeDetokenizer(), ["bc"]);
    engine.submit([one]);
    for (let step = 0; step < 3; step++) engine.step();
    expect(engine.cancelled).toEqual([]);
    expect(events).toContain("r1 ended stop -");
    expect(events).toContain("r1 2+1 ''");
  });

  it("looks for stop strings only after the minimum of tokens", () => {
    const sampling = { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0, minTokens: 2 };
    const one = request("r1", { maxOutputTokens: 4, sampling });
    add(one, LETTER_MODEL.makeDetokenizer(), ["b", "bc", "d"]);
    engine.submit([one]);
    for (let step = 0; step < 4; step++) engine.step();
    expect(events.filter((event) => event.startsWith("r1"))).toEqual([
      "r1 0+1 'a'",
      "r1 1+1 'b'",
      "r1 2+1 'c'",
      "r1 3+1 ''",
      "r1 ended stop -",
    ]);
  });

  it("stops at an engine that ends the request at once", () => {
    const one = request("r1", { maxOutputTokens: 9 });
    add(one, LETTER_MODEL.makeDetokenizer(), ["b"]);
    engine.submit([one]);
    engine.step();
    engine.step();
    expect(engine.liveCount).toBe(0);
    expect(streams.count).toBe(0);
    expect(events.filter((event) => event.startsWith("r1"))).toEqual([
      "r1 0+1 'a'",
      "r1 1+1 ''",
      "r1 ended stop -",
    ]);
  });

  it("sends no token after a cancel, only the end", () => {
    add(request("r1"));
    const late = new ScriptedEngine((message) => {
      if (message.type === "step") streams.step(message);
    });
    late.submit([request("r1")]);
    streams.cancel(["r1", "unknown"]);
    expect(engine.cancelled).toEqual(["r1"]);
    late.step();
    late.end("r1", "cancelled");
    expect(events).toEqual([
      "step 1 +1",
      "r1 ended cancelled -",
      "observed r1 cancelled",
      "step 2 +0",
    ]);
  });

  it("ends a request that the node itself stopped with the error that says why", () => {
    add(request("r1"));
    engine.submit([request("r1")]);
    streams.cancelAll({ code: "draining", message: "down", param: null });
    expect(events).toContain("r1 ended error draining");
  });

  it("ends a request that the scheduler refuses after all", () => {
    add(request("r1"));
    streams.bill("r1", 3);
    streams.refused("r1", { code: "overloaded", message: "full", param: null });
    expect(events).toContain("r1 ended error overloaded");
    expect(journaled[0]?.[0]?.finishReason).toBe("error");
    streams.refused("r1", { code: "overloaded", message: "full", param: null });
    expect(events.filter((event) => event.startsWith("r1 ended"))).toHaveLength(1);
  });

  it("bounds the live requests of one tenant and frees the room when they end", () => {
    for (let index = 0; index < LIVE_REQUESTS_PER_TENANT_MAX; index++) {
      const one = request(`r${index}`);
      expect(streams.refusalOf({ tenantId: "ten_a", promptTokens: 3, choices: 1 })).toBeNull();
      add(one);
      engine.submit([one]);
    }
    expect(streams.refusalOf({ tenantId: "ten_a", promptTokens: 3, choices: 1 })?.code).toBe(
      "overloaded",
    );
    expect(streams.refusalOf({ tenantId: "ten_b", promptTokens: 3, choices: 1 })).toBeNull();
    expect(
      streams.refusalOf({ tenantId: "ten_b", promptTokens: 20_000_000, choices: 1 })?.code,
    ).toBe("overloaded");
    engine.end("r0", "stop");
    expect(streams.refusalOf({ tenantId: "ten_a", promptTokens: 3, choices: 1 })).toBeNull();
  });
});
