// What passes the quick look passes the schemas with the same value, and the frames that every request brings do pass.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { acceptFrame } from "./accept.ts";
import { doneFrame } from "./done.ts";
import { isPlainFrame } from "./plain-frame.ts";
import { stepFrame } from "./step.ts";

const schema = z.discriminatedUnion("type", [acceptFrame, stepFrame, doneFrame]);

const mostly = <T, U>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<U>) =>
  fc.oneof({ arbitrary: usual, weight: 15 }, { arbitrary: odd, weight: 1 });
const text = fc.string({ minLength: 1, maxLength: 8 });
const name = mostly(text, fc.constantFrom("", "x".repeat(300), 7, null));
const count = mostly(fc.integer({ min: 1 }), fc.constantFrom(0, -1, 0.5, 2 ** 60, "1", null));
const extra = mostly(
  fc.constant(undefined),
  fc.constantFrom("choice", "logprobs", "ends", "embeddings", "later"),
);
const withExtra = (fields: object, key: string | undefined) =>
  key === undefined ? fields : { ...fields, [key]: 1 };

const delta = fc
  .tuple(fc.record({ id: name, from: count, n: count, text: name }), extra)
  .map(([fields, key]) => withExtra(fields, key));
const usage = fc.record({ prompt_tokens: count, cached_tokens: count, completion_tokens: count });
const frame = fc
  .tuple(
    fc.oneof(
      fc.record({ type: fc.constant("accept"), id: name, model: name, prompt_tokens: count }),
      fc.record({
        type: fc.constant("step"),
        step: count,
        deltas: fc.oneof(fc.array(delta, { maxLength: 3 }), fc.constant(null)),
      }),
      fc.record({
        type: fc.constant("done"),
        id: name,
        finish_reason: fc.constantFrom("stop", "length", "cancelled", "error", "other"),
        usage: fc.oneof(usage, fc.constant([])),
        error: fc.constantFrom(null, { code: "x", message: "y" }, "x"),
      }),
    ),
    extra,
  )
  .map(([fields, key]) => withExtra(fields, key));

describe("a plain frame", () => {
  it("is one that its schema accepts as it is", () => {
    let plainCount = 0;
    fc.assert(
      fc.property(frame, (one) => {
        if (!isPlainFrame(one)) return;
        plainCount += 1;
        expect(schema.parse(one)).toEqual(one);
      }),
      { numRuns: 2_000 },
    );
    expect(plainCount).toBeGreaterThan(200);
  });

  it.each([
    { type: "accept", id: "req_1", model: "m", prompt_tokens: 3 },
    { type: "step", step: 9, deltas: [{ id: "req_1", from: 0, n: 1, text: "" }] },
    {
      type: "done",
      id: "req_1",
      finish_reason: "stop",
      usage: { prompt_tokens: 3, cached_tokens: 0, completion_tokens: 1 },
      error: null,
    },
  ])("of every request is recognised: $type", (one) => {
    expect(isPlainFrame(one)).toBe(true);
  });

  it("is no other frame", () => {
    expect(isPlainFrame({ type: "heartbeat" })).toBe(false);
    expect(isPlainFrame({})).toBe(false);
  });
});
