import type { NodeFrame } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { NO_COUNTS } from "../usage/live-counts.ts";
import { StepFrames } from "./step-frames.ts";

/** 0.5 and -2 as little-endian f32. */
const HALF_AND_MINUS_TWO = "AAAAPwAAAMA=";
const VECTOR = Float32Array.of(0.5, -2);
const END = { reason: "stop", error: null, promptTokens: 7, counts: NO_COUNTS } as const;

function frames() {
  const sent: NodeFrame[] = [];
  return { sent, frames: new StepFrames((frame) => void sent.push(frame)) };
}

describe("StepFrames", () => {
  it("sends the embeddings of all inputs with the end, in their order", () => {
    const { sent, frames: own } = frames();
    own.accepted("r");
    own.choiceEnded({ requestId: "r", choice: 1, reason: "stop", embedding: Float32Array.of(0) });
    own.flush(1);
    expect(sent).toEqual([]);
    own.choiceEnded({ requestId: "r", choice: 0, reason: "stop", embedding: VECTOR });
    own.ended({ requestId: "r", ...END });
    own.accepted("one");
    own.ended({ requestId: "one", ...END, embedding: VECTOR });
    own.flush(2);
    expect(sent).toMatchObject([
      { type: "done", id: "r", embeddings: [HALF_AND_MINUS_TWO, "AAAAAA=="] },
      { type: "done", id: "one", embeddings: [HALF_AND_MINUS_TWO] },
    ]);
  });

  it("says which of several answers a delta belongs to and when one ends", () => {
    const { sent, frames: own } = frames();
    own.accepted("r");
    own.tokens({ requestId: "r", choice: 1, fromToken: 0, tokenCount: 1, text: "a" });
    own.choiceEnded({ requestId: "r", choice: 1, reason: "length" });
    own.flush(3);
    own.flush(4);
    expect(sent).toEqual([
      {
        type: "step",
        step: 3,
        deltas: [{ id: "r", choice: 1, from: 0, n: 1, text: "a" }],
        ends: [{ id: "r", choice: 1, finish_reason: "length" }],
      },
    ]);
  });
});
