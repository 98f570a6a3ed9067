import type { NodeFrame } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { NO_COUNTS } from "../usage/live-counts.ts";
import { ResumeRing } from "./resume-ring.ts";
import { StepFrames } from "./step-frames.ts";

/** 0.5 and -2 as little-endian f32. */
const HALF_AND_MINUS_TWO = "AAAAPwAAAMA=";
const VECTOR = Float32Array.of(0.5, -2);
const FACTS = { tenantId: "ten_a", model: "letters", promptTokens: 7, form: undefined };
const END = { reason: "stop", error: null, promptTokens: 7, counts: NO_COUNTS } as const;

function frames() {
  const sent: NodeFrame[] = [];
  const frames = new StepFrames(new ResumeRing(), () => 0);
  frames.linkOpened((frame) => void sent.push(frame), undefined);
  return { sent, frames };
}

describe("StepFrames", () => {
  it("sends the embeddings of all inputs with the end, in their order", () => {
    const { sent, frames: own } = frames();
    own.accepted("r", FACTS);
    own.choiceEnded({ requestId: "r", choice: 1, reason: "stop", embedding: Float32Array.of(0) });
    own.flush(1);
    expect(sent).toEqual([]);
    own.choiceEnded({ requestId: "r", choice: 0, reason: "stop", embedding: VECTOR });
    own.ended({ requestId: "r", ...END });
    own.accepted("one", FACTS);
    own.ended({ requestId: "one", ...END, embedding: VECTOR });
    own.flush(2);
    expect(sent).toMatchObject([
      { type: "done", id: "r", embeddings: [HALF_AND_MINUS_TWO, "AAAAAA=="] },
      { type: "done", id: "one", embeddings: [HALF_AND_MINUS_TWO] },
    ]);
  });

  it("says which of several answers a delta belongs to and when one ends", () => {
    const { sent, frames: own } = frames();
    own.accepted("r", FACTS);
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
