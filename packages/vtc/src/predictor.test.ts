// Shows predictions of output lengths, and that charging by them is trued up whatever they say.
import { describe, expect, it } from "vitest";
import { UNITS_PER_TOKEN } from "./cost.ts";
import { FairQueue } from "./fair-queue.ts";
import { movingMeanPredictor, oraclePredictor, type OutputPredictor } from "./predictor.ts";

/** Prompt tokens that were computed. */
const done = (computedTokens: number, cachedTokens = 0) => ({ computedTokens, cachedTokens });

function queueWith(predictor: OutputPredictor) {
  const queue = new FairQueue<string>({ predictor });
  const send = () => {
    const terms = { weight: 1, promptTokens: 10, outputTokensMax: 100, nowMs: 0 };
    const ticket = queue.add({ request: "r", path: ["a"], ...terms });
    queue.join(ticket, { cachedTokens: 0 });
    return ticket;
  };
  const tokens = () => (queue.keyOf("a") ?? 0) / UNITS_PER_TOKEN;
  return { queue, send, tokens };
}

describe("oraclePredictor", () => {
  it("charges the whole output when the request joins, and none of it again", () => {
    const { queue, send, tokens } = queueWith(oraclePredictor());
    const ticket = send();
    expect(tokens()).toBe(210);
    queue.produced(ticket, 100);
    queue.settle();
    queue.end(ticket, done(10));
    expect(tokens()).toBe(210);
  });

  it("W12, W13: gives back what was predicted and not made, and charges what was not predicted", () => {
    const over = queueWith(oraclePredictor());
    const early = over.send();
    over.queue.produced(early, 3);
    over.queue.end(early, done(10));
    expect(over.tokens()).toBe(16);
    const under = queueWith(oraclePredictor({ errorPct: 50, uniform: () => 0 }));
    const longer = under.send();
    expect(under.tokens()).toBe(110);
    under.queue.produced(longer, 60);
    under.queue.settle();
    expect(under.tokens()).toBe(130);
  });

  it("never charges more than the request may have", () => {
    const { send, tokens } = queueWith(oraclePredictor({ errorPct: 50, uniform: () => 0.99 }));
    send();
    expect(tokens()).toBe(210);
  });
});

describe("movingMeanPredictor", () => {
  it("predicts nothing, then the first length, then (4 p + last) / 5", () => {
    const predictor = movingMeanPredictor();
    const predict = () => predictor.predict("a", 1_000);
    expect(predict()).toBe(0);
    predictor.observe("a", 100);
    expect(predict()).toBe(100);
    predictor.observe("a", 200);
    expect(predict()).toBe(120);
    expect(predictor.predict("b", 1_000)).toBe(0);
  });
});
