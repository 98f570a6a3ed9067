import type { Random } from "@fairlane/base";
import { describe, expect, it } from "vitest";
import { samplingParams } from "./sampling-params.ts";

const countingRandom: Random = {
  fill(target) {
    for (let i = 0; i < target.length; i++) target[i] = i + 1;
    return target;
  },
};

const noRandom: Random = {
  fill() {
    throw new Error("randomness was asked for");
  },
};

describe("samplingParams", () => {
  it("takes OpenAI's defaults and a random seed for absent and null fields", () => {
    const expected = {
      temperature: 1,
      topP: 1,
      topK: 0,
      seedLow: 0x05060708,
      seedHigh: 0x01020304,
    };
    expect(samplingParams({}, countingRandom)).toEqual(expected);
    const nulls = { temperature: null, top_p: null, top_k: null, seed: null };
    expect(samplingParams(nulls, countingRandom)).toEqual(expected);
  });

  it("mixes a given seed to 64 bits, the same every time and without randomness", () => {
    // First outputs of SplitMix64 (Vigna) for these seeds: 0xe220a8397b1dcdaf and 6457827717110365317.
    expect(samplingParams({ seed: 0 }, noRandom)).toMatchObject({
      seedHigh: 0xe220a839,
      seedLow: 0x7b1dcdaf,
    });
    const { seedHigh, seedLow } = samplingParams({ seed: 1_234_567 }, noRandom);
    expect((BigInt(seedHigh) << 32n) | BigInt(seedLow)).toBe(6_457_827_717_110_365_317n);
  });

  it("takes negative seeds and the largest integers", () => {
    const seeds = [-1, 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
    const mixed = seeds.map((seed) => samplingParams({ seed }, noRandom));
    const texts = mixed.map(({ seedHigh, seedLow }) => `${seedHigh}:${seedLow}`);
    expect(new Set(texts).size).toBe(4);
    for (const half of mixed.flatMap(({ seedHigh, seedLow }) => [seedHigh, seedLow])) {
      expect(Number.isInteger(half) && half >= 0 && half < 2 ** 32).toBe(true);
    }
  });

  it("is greedy at temperature 0 and where f32 could not divide", () => {
    expect(samplingParams({ temperature: 0, seed: 1 }, noRandom).temperature).toBe(0);
    expect(samplingParams({ temperature: 1e-30, seed: 1 }, noRandom).temperature).toBe(0);
    expect(samplingParams({ temperature: 0.01, seed: 1 }, noRandom).temperature).toBe(0.01);
  });

  it("carries what is on and nothing of what is off", () => {
    const off = {
      temperature: 1,
      top_k: 0,
      seed: 1,
      min_p: 0,
      typical_p: 1,
      repetition_penalty: 1,
      presence_penalty: 0,
      frequency_penalty: null,
      logit_bias: {},
      min_tokens: 0,
      logprobs: false,
    };
    const names = ["temperature", "topP", "topK", "seedLow", "seedHigh"];
    expect(Object.keys(samplingParams(off, noRandom))).toEqual(names);
    const on = {
      seed: 1,
      min_p: 0.1,
      typical_p: 1e-60,
      repetition_penalty: 1.5,
      presence_penalty: -2,
      frequency_penalty: 0.25,
      logit_bias: { "7": -100, "0": 2.5 },
      min_tokens: 3,
      logprobs: true,
      top_logprobs: 4,
    };
    expect(samplingParams(on, noRandom)).toMatchObject({
      minP: 0.1,
      typicalP: 2 ** -126,
      repetitionPenalty: 1.5,
      presencePenalty: -2,
      frequencyPenalty: 0.25,
      logitBias: [
        { token: 0, value: 2.5 },
        { token: 7, value: -100 },
      ],
      minTokens: 3,
      topLogprobs: 4,
    });
    expect(samplingParams({ seed: 1, logprobs: true }, noRandom).topLogprobs).toBe(0);
  });

  it("keeps a tiny top_p above zero in f32", () => {
    expect(Math.fround(samplingParams({ top_p: 1e-60, seed: 1 }, noRandom).topP)).toBe(2 ** -126);
  });
});
