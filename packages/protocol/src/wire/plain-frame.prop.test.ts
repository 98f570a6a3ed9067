// What passes the quick look passes the schemas with the same value, and the frames that every request brings do pass.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { acceptFrame } from "./accept.ts";
import { doneFrame } from "./done.ts";
import { isPlainFrame } from "./plain-frame.ts";
import { stepFrame } from "./step.ts";
import { usageFrame } from "./usage.ts";

const schema = z.discriminatedUnion("type", [acceptFrame, stepFrame, doneFrame, usageFrame]);

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
const record = fc
  .tuple(
    fc.record({
      tenant_id: name,
      seq: count,
      request_id: name,
      attempt: count,
      ...{ project_id: name, key_id: name, model: name, price_version: name },
      final: mostly(fc.boolean(), fc.constant(1)),
      finish_reason: mostly(fc.constantFrom("stop", "node_lost"), fc.constant("other")),
      ...{ prompt_tokens: count, cached_tokens: count, computed_prompt_tokens: count },
      ...{ output_tokens: count, received_at_ms: count, queue_ms: count },
      ttft_ms: fc.oneof(count, fc.constant(null)),
      ended_at_ms: count,
    }),
    extra,
  )
  .map(([fields, key]) => withExtra(fields, key));
const acked = fc.array(fc.record({ tenant_id: name, seq: count }), { maxLength: 2 });
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
      fc.record(
        {
          type: fc.constant("usage"),
          node_id: name,
          epoch: count,
          records: mostly(fc.array(record, { maxLength: 2 }), fc.constant(null)),
          acked: mostly(acked, fc.constant(3)),
        },
        { requiredKeys: ["type", "node_id", "epoch", "records"] },
      ),
    ),
    extra,
  )
  .map(([fields, key]) => withExtra(fields, key));

describe("a plain frame", () => {
  it("is one that its schema accepts as it is", () => {
    let plainCount = 0;
    let plainUsages = 0;
    fc.assert(
      fc.property(frame, (one) => {
        if (!isPlainFrame(one)) return;
        plainCount += 1;
        if (one.type === "usage") plainUsages += 1;
        expect(schema.parse(one)).toEqual(one);
      }),
      { numRuns: 2_000 },
    );
    expect(plainCount).toBeGreaterThan(200);
    expect(plainUsages).toBeGreaterThan(20);
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
    {
      type: "usage",
      node_id: "node-1",
      epoch: 3,
      records: [
        {
          tenant_id: "ten_1",
          seq: 1,
          request_id: "req_1",
          attempt: 1,
          project_id: "prj_1",
          key_id: "key_1",
          model: "m",
          price_version: "1",
          final: true,
          finish_reason: "stop",
          prompt_tokens: 3,
          cached_tokens: 0,
          computed_prompt_tokens: 3,
          output_tokens: 1,
          received_at_ms: 5,
          queue_ms: 0,
          ttft_ms: null,
          ended_at_ms: 6,
        },
      ],
      acked: [{ tenant_id: "ten_1", seq: 7 }],
    },
  ])("of every request is recognised: $type", (one) => {
    expect(isPlainFrame(one)).toBe(true);
  });

  it("is no other frame", () => {
    expect(isPlainFrame({ type: "heartbeat" })).toBe(false);
    expect(isPlainFrame({})).toBe(false);
  });
});
