// Shows what a sink, the journal and the observer hear of a request with several answers, with a scripted engine.
import type { ChatRequest } from "@fairlane/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import { engineRequest } from "../scheduler/testing/engine-request.ts";
import type { BilledProgress } from "../usage/usage-journal.ts";
import { answerStreams, completionStreams } from "./answer-streams.ts";
import { LiveStreams } from "./live-streams.ts";
import { LETTER_MODEL } from "./testing/letter-model.ts";
import { ScriptedEngine } from "./testing/scripted-engine.ts";
import type { AnswerSink } from "./token-stream.ts";

let events: string[] = [];
let journaled: BilledProgress[] = [];
let engine: ScriptedEngine;
let streams: LiveStreams;

const sink: AnswerSink = {
  tokens: ({ requestId, choice, fromToken, tokenCount, text }) =>
    events.push(`${requestId}/${choice} ${fromToken}+${tokenCount} '${text}'`),
  choiceEnded: ({ requestId, choice, reason }) => events.push(`${requestId}/${choice} ${reason}`),
  ended: ({ requestId, reason, error, counts }) =>
    events.push(`${requestId} ended ${reason} ${error?.code ?? "-"} ${counts.outputTokens}`),
};

function start(body: Partial<ChatRequest>, maxOutputTokens = 2): void {
  const request = engineRequest("r", {
    maxOutputTokens,
    forks: [{ requestId: "r#1", seedLow: 1, seedHigh: 0 }],
  });
  const full = { messages: [], n: 2, ...body };
  streams.add(...answerStreams({ request, body: full, model: LETTER_MODEL, sink }));
  streams.bill("r", 7);
  engine.submit([request]);
}

beforeEach(() => {
  events = [];
  journaled = [];
  engine = new ScriptedEngine((message) => {
    if (message.type === "step") streams.step(message);
  });
  streams = new LiveStreams({
    journal: { commitStep: (progress) => journaled.push(...progress) },
    clock: { nowMs: () => 10 },
    cancelAtEngine: engine.cancel,
    observer: {
      streamEnded: ({ requestId }, end) => events.push(`observed ${requestId} ${end.reason}`),
      stepDelivered: () => {},
    },
  });
});

describe("a request with several answers", () => {
  it("tells each answer's tokens and end, then one end with the tokens of all", () => {
    start({});
    engine.step();
    engine.stop("r#1");
    expect(events).toEqual(["r/0 0+1 'a'", "r/1 0+1 'a'", "r/1 1+1 ''", "r/1 stop"]);
    expect(streams.has("r")).toBe(true);
    engine.step();
    expect(events.slice(4)).toEqual([
      "r/0 1+1 'b'",
      "r/0 length",
      "r ended length - 4",
      "observed r length",
    ]);
    expect([streams.has("r"), streams.count]).toEqual([false, 0]);
  });

  it("is one account in the journal, with the prompt of the first and one end", () => {
    start({});
    engine.step();
    engine.step();
    expect(journaled).toMatchObject([
      { key: 7, counts: { computedPromptTokens: 4, outputTokens: 2 }, finishReason: null },
      { key: 7, counts: { computedPromptTokens: 4, outputTokens: 4 }, finishReason: "length" },
    ]);
  });

  it("ends one answer at a stop string and lets the other go on", () => {
    start({ stop: "b" }, 3);
    engine.step();
    engine.stop("r");
    // "b" ends the second answer, which the engine is told.
    engine.step();
    expect(engine.cancelled).toEqual(["r#1"]);
    expect(events.slice(2)).toEqual([
      "r/0 1+1 ''",
      "r/0 stop",
      "r/1 1+1 ''",
      "r/1 stop",
      "r ended stop - 4",
      "observed r stop",
    ]);
  });

  it("is cancelled and refused as a whole", () => {
    start({});
    engine.step();
    streams.cancel(["r"]);
    expect(engine.cancelled).toEqual(["r", "r#1"]);
    expect(events.slice(2)).toEqual(["r ended cancelled - 2", "observed r cancelled"]);
    events = [];
    start({});
    streams.refused("r", { code: "overloaded", message: "full", param: null });
    expect(events).toEqual(["r ended error overloaded 0", "observed r error"]);
    streams.cancelAll(null);
    expect(engine.cancelled).toEqual(["r", "r#1"]);
  });
});

describe("a request with several prompts and answers to each", () => {
  function startPrompts(): void {
    const requests = ["r", "r#p1"].map((requestId) =>
      engineRequest(requestId, {
        maxOutputTokens: 2,
        forks: [{ requestId: `${requestId}#1`, seedLow: 1, seedHigh: 0 }],
      }),
    );
    const body = { prompt: ["a", "b"], n: 2 };
    streams.add(...completionStreams({ requests, body, model: LETTER_MODEL, sink }));
    streams.bill("r", 7);
    engine.submit(requests);
  }

  it("is one account with each prompt once, its choices counted over the prompts", () => {
    startPrompts();
    engine.step();
    engine.step();
    expect(events.slice(0, 4)).toEqual([
      "r/0 0+1 'a'",
      "r/1 0+1 'a'",
      "r/2 0+1 'a'",
      "r/3 0+1 'a'",
    ]);
    expect(events.slice(-2)).toEqual(["r ended length - 8", "observed r length"]);
    expect(journaled.at(-1)).toMatchObject({
      key: 7,
      counts: { computedPromptTokens: 8, outputTokens: 8 },
      finishReason: "length",
    });
  });

  it("ends with the refusal of one prompt, and takes the other back from the engine", () => {
    startPrompts();
    streams.refused("r#p1", { code: "overloaded", message: "full", param: null });
    expect(engine.cancelled).toEqual(["r", "r#1"]);
    expect(events).toEqual(["r ended error overloaded 0", "observed r error"]);
    expect(streams.count).toBe(0);
  });
});
