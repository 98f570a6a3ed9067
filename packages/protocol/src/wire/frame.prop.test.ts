// What one side encodes is what the other side reads, for every frame and any field values.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseHubFrame, parseNodeFrame } from "./frame.ts";

const name = fc.string({ minLength: 1, maxLength: 256, unit: "binary" });
const id = fc.stringMatching(/^req_[0-9a-z]{26}$/);
const digest = fc.stringMatching(/^[0-9a-f]{64}$/);
const count = fc.maxSafeNat();
const positive = count.map((value) => Math.max(1, value));
const text = fc.string({ unit: "binary" });

const scored = {
  token: text,
  // JSON has no minus zero.
  logprob: fc.double({ max: 0, noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
  bytes: fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 4 }),
};
const logprob = fc.record({
  ...scored,
  top_logprobs: fc.array(fc.record(scored), { maxLength: 20 }),
});
const cell = fc.record({
  tenant_id: name,
  weight: positive,
  live: fc.boolean(),
  input_tokens: count,
  cached_tokens: count,
  output_tokens: count,
  service_units: count,
  queue_ms: count,
  requests: count,
});
const nodeFrames = {
  hello: fc.record({
    type: fc.constant("hello" as const),
    wire: fc.constant(1 as const),
    node_id: name,
    epoch: positive,
    region: name,
    numerics_class: name,
    models: fc.array(
      fc.record({
        id: name,
        digest: name,
        created_seconds: count,
        context_tokens: positive,
        default_max_output_tokens: positive,
      }),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  accept: fc.record({
    type: fc.constant("accept" as const),
    id,
    model: name,
    prompt_tokens: count,
  }),
  refuse: fc.record({
    type: fc.constant("refuse" as const),
    id,
    status: fc.integer({ min: 400, max: 599 }),
    code: name,
    message: text,
    param: fc.option(name),
  }),
  step: fc.record({
    type: fc.constant("step" as const),
    step: count,
    deltas: fc.array(
      fc.record(
        {
          id,
          choice: fc.nat(127),
          from: count,
          n: positive,
          text,
          logprobs: fc.array(logprob, { maxLength: 3 }),
        },
        { requiredKeys: ["id", "from", "n", "text"], noNullPrototype: true },
      ),
      { maxLength: 8 },
    ),
  }),
  done: fc.record({
    type: fc.constant("done" as const),
    id,
    finish_reason: fc.constantFrom("stop", "length", "cancelled", "error"),
    usage: fc.record({ prompt_tokens: count, cached_tokens: count, completion_tokens: count }),
    embeddings: fc.array(fc.base64String({ maxLength: 16 }), { maxLength: 3 }),
    error: fc.option(fc.record({ code: name, message: text })),
  }),
  usage: fc.record({
    type: fc.constant("usage" as const),
    node_id: name,
    epoch: positive,
    acked: fc.array(fc.record({ tenant_id: name, seq: positive }), { maxLength: 3 }),
    records: fc.array(
      fc.record({
        tenant_id: name,
        seq: positive,
        request_id: id,
        attempt: positive,
        project_id: name,
        key_id: name,
        model: name,
        price_version: name,
        final: fc.boolean(),
        finish_reason: fc.constantFrom("stop", "length", "cancelled", "error", "node_lost"),
        prompt_tokens: count,
        cached_tokens: count,
        computed_prompt_tokens: count,
        output_tokens: count,
        received_at_ms: count,
        queue_ms: count,
        ttft_ms: fc.option(count),
        ended_at_ms: count,
      }),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  attached: fc.record({
    type: fc.constant("attached" as const),
    id,
    model: name,
    prompt_tokens: count,
    form: text,
  }),
  heartbeat: fc.record(
    {
      type: fc.constant("heartbeat" as const),
      sent_at_ms: count,
      load: fc.record({ running: count, waiting: count, pages_free: count, pages_total: count }),
      prefixes: fc.array(fc.stringMatching(/^[0-9a-f]{16}$/), { maxLength: 3 }),
      draining: fc.boolean(),
      service: fc.record({ epoch: positive, cells: fc.array(cell, { maxLength: 4 }) }),
      adapters: fc.array(fc.record({ digest, tier: fc.constantFrom("device", "host", "disk") }), {
        maxLength: 4,
      }),
    },
    { requiredKeys: ["type", "sent_at_ms", "load", "draining"], noNullPrototype: true },
  ),
};

const resumed = fc.oneof(
  fc.record({ id, from: count }),
  fc.record({ id, from: count, unaccepted: fc.constant(true as const) }),
);

const adapter = fc.record(
  {
    name,
    digest,
    bytes: fc.integer({ min: 1, max: 2 ** 31 }),
    source: fc.constantFrom("ten_a/adv_b", "t/v"),
    pinned: fc.boolean(),
  },
  { requiredKeys: ["name", "digest", "bytes", "source"], noNullPrototype: true },
);

const submitTerms = {
  id,
  attempt: positive,
  tenant_id: name,
  project_id: name,
  key_id: name,
  tenant_salt: fc.stringMatching(/^[0-9a-f]{64}$/),
  weight: positive,
  tier: fc.constantFrom("interactive", "batch"),
  deadline_ms: positive,
  price_version: name,
  endpoint: fc.constant("chat.completions" as const),
  body: fc.record(
    {
      model: name,
      messages: fc.array(
        fc.record({ role: fc.constantFrom("system", "user", "assistant"), content: text }),
        { minLength: 1, maxLength: 4 },
      ),
      max_tokens: fc.integer({ min: 1, max: 1_000_000 }),
      temperature: fc.double({ min: 0, max: 2, noNaN: true }).map((value) => value + 0),
      seed: fc.integer(),
      stream: fc.boolean(),
    },
    { requiredKeys: ["messages"], noNullPrototype: true },
  ),
};

const submitted = fc.oneof(fc.record(submitTerms), fc.record({ ...submitTerms, adapter }));

const hubFrames = {
  welcome: fc.record({
    type: fc.constant("welcome" as const),
    wire: fc.constant(1 as const),
    region: name,
    shard: count,
    shard_count: fc.integer({ min: 1, max: 64 }),
    heartbeat_ms: positive,
  }),
  resume: fc.record({
    type: fc.constant("resume" as const),
    requests: fc.array(resumed, { maxLength: 4 }),
  }),
  attach: fc.record({ type: fc.constant("attach" as const), id, tenant_id: name }),
  submit: fc.record({
    type: fc.constant("submit" as const),
    requests: fc.array(submitted, { minLength: 1, maxLength: 4 }),
  }),
  grant: fc.record({
    type: fc.constant("grant" as const),
    grants: fc.array(
      fc.oneof(
        fc.record({ id, output_tokens: positive }),
        fc.record({ id, output_tokens: positive, may_grow: fc.constant(true as const) }),
      ),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  cancel: fc.record({
    type: fc.constant("cancel" as const),
    ids: fc.array(id, { minLength: 1, maxLength: 8 }),
  }),
  ack: fc.record({
    type: fc.constant("ack" as const),
    epoch: positive,
    watermarks: fc.array(fc.record({ tenant_id: name, seq: positive }), { minLength: 1 }),
  }),
  service: fc.record({
    type: fc.constant("service" as const),
    full: fc.boolean(),
    floor_units: count,
    tenants: fc.array(fc.record({ tenant_id: name, foreign_units: count, counter_units: count }), {
      maxLength: 4,
    }),
  }),
};

describe("frames of a node", () => {
  it.each(Object.entries(nodeFrames))("are read as they were written: %s", (_, frames) => {
    fc.assert(
      fc.property(frames as fc.Arbitrary<object>, (frame) => {
        expect(parseNodeFrame(JSON.stringify(frame))).toEqual({ ok: true, value: frame });
      }),
    );
  });
});

describe("frames of a hub", () => {
  it.each(Object.entries(hubFrames))("are read as they were written: %s", (_, frames) => {
    fc.assert(
      fc.property(frames as fc.Arbitrary<object>, (frame) => {
        expect(parseHubFrame(JSON.stringify(frame))).toEqual({ ok: true, value: frame });
      }),
    );
  });
});

describe("frames of any text", () => {
  it("are a frame or an error, never an exception", () => {
    fc.assert(
      fc.property(fc.oneof(text, fc.json()), (any) => {
        expect(parseNodeFrame(any).ok).toBe(false);
        expect(parseHubFrame(any).ok).toBe(false);
      }),
    );
  });

  it("survive the loss of any field as a named error", () => {
    fc.assert(
      fc.property(
        nodeFrames.accept,
        fc.constantFrom("id", "model", "prompt_tokens"),
        (frame, key) => {
          const { [key as "id"]: _, ...rest } = frame;
          const parsed = parseNodeFrame(JSON.stringify(rest));
          expect(parsed).toMatchObject({ ok: false, error: { kind: "malformed" } });
          expect(JSON.stringify(parsed)).toContain(`accept.${key}`);
        },
      ),
    );
  });
});
