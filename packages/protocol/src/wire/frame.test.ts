import { describe, expect, it } from "vitest";
import { parseHubFrame, parseNodeFrame, parseNodeMessage } from "./frame.ts";

describe("parseNodeFrame", () => {
  it.each([
    ["", { kind: "malformed", message: "frame is not JSON" }],
    ["{", { kind: "malformed", message: "frame is not JSON" }],
    ["null", { kind: "malformed", message: "frame has no type" }],
    ["[]", { kind: "malformed", message: "frame has no type" }],
    ['{"type":5}', { kind: "malformed", message: "frame has no type" }],
    ['{"type":"grant"}', { kind: "unknown_type", type: "grant" }],
    ['{"type":"submit"}', { kind: "unknown_type", type: "submit" }],
  ])("refuses %j", (text, error) => {
    expect(parseNodeFrame(text)).toEqual({ ok: false, error });
  });

  it("names the field that is wrong and not its value", () => {
    const frame = {
      type: "step",
      step: 1,
      deltas: [{ id: "req_1", from: -1, n: 1, text: "secret" }],
    };
    const parsed = parseNodeFrame(JSON.stringify(frame));
    expect(parsed).toEqual({
      ok: false,
      error: {
        kind: "malformed",
        message: "step.deltas.0.from: Too small: expected number to be >=0",
      },
    });
  });

  it("ignores fields that a newer peer added", () => {
    const frame = { type: "accept", id: "req_1", model: "m", prompt_tokens: 3 };
    expect(parseNodeFrame(JSON.stringify({ ...frame, queue_position: 4 }))).toEqual({
      ok: true,
      value: frame,
    });
  });

  it("refuses another wire version", () => {
    const hello = {
      type: "hello",
      wire: 2,
      node_id: "n",
      epoch: 1,
      region: "r",
      numerics_class: "c",
      models: [
        {
          id: "m",
          digest: "d",
          created_seconds: 1,
          context_tokens: 1,
          default_max_output_tokens: 1,
        },
      ],
    };
    expect(parseNodeFrame(JSON.stringify(hello)).ok).toBe(false);
    expect(parseNodeFrame(JSON.stringify({ ...hello, wire: 1 })).ok).toBe(true);
  });

  it("bounds the characters of a frame before reading it", () => {
    const parsed = parseNodeFrame(" ".repeat(32 * 1024 * 1024 + 1));
    expect(parsed).toEqual({
      ok: false,
      error: { kind: "malformed", message: "frame has 33554433 characters, bound 33554432" },
    });
  });

  it("bounds the deltas of a step", () => {
    const step = (deltaCount: number) => ({
      type: "step",
      step: 1,
      deltas: Array.from({ length: deltaCount }, () => ({ id: "r", from: 0, n: 1, text: "" })),
    });
    expect(parseNodeFrame(JSON.stringify(step(4_096))).ok).toBe(true);
    expect(parseNodeFrame(JSON.stringify(step(4_097))).ok).toBe(false);
  });
});

describe("parseHubFrame", () => {
  it("does not take a node's frame for a hub's", () => {
    expect(parseHubFrame('{"type":"hello"}')).toEqual({
      ok: false,
      error: { kind: "unknown_type", type: "hello" },
    });
  });

  it("cuts the type that it reports", () => {
    const parsed = parseHubFrame(JSON.stringify({ type: "x".repeat(1_000) }));
    expect(parsed).toEqual({ ok: false, error: { kind: "unknown_type", type: "x".repeat(64) } });
  });
});

describe("parseNodeMessage", () => {
  const accept = { type: "accept", id: "req_1", model: "m", prompt_tokens: 3 };

  it("reads one frame, and a batch in its order", () => {
    const other = { ...accept, id: "req_2" };
    expect(parseNodeMessage(JSON.stringify(accept))).toEqual([{ ok: true, value: accept }]);
    expect(parseNodeMessage(JSON.stringify([other, { type: "later" }, accept]))).toEqual([
      { ok: true, value: other },
      { ok: false, error: { kind: "unknown_type", type: "later" } },
      { ok: true, value: accept },
    ]);
  });

  it.each([
    ["[", "frame is not JSON"],
    ["[]", "batch has 0 frames, bound 1024"],
    [`[${"1,".repeat(1_024)}1]`, "batch has 1025 frames, bound 1024"],
    ["[[]]", "frame has no type"],
  ])("refuses %.20s", (text, message) => {
    expect(parseNodeMessage(text)).toEqual([{ ok: false, error: { kind: "malformed", message } }]);
  });
});
