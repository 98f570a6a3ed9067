import type { DoneFrame } from "@fairlane/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ResumeRing } from "./resume-ring.ts";

const FACTS = { tenantId: "ten_a", model: "letters", promptTokens: 7, form: undefined };
const DONE: DoneFrame = {
  type: "done",
  id: "r",
  finish_reason: "stop",
  usage: { prompt_tokens: 7, cached_tokens: 0, completion_tokens: 3 },
  error: null,
};

function filled(ring: ResumeRing, id: string, sizes: readonly number[]): void {
  ring.begin(id, FACTS);
  let from = 0;
  for (const n of sizes) {
    ring.addDelta(id, { id, from, n, text: `t${from}` });
    from += n;
  }
}

describe("ResumeRing", () => {
  it("gives what follows a token, with the ends after it and the end of all", () => {
    const ring = new ResumeRing();
    ring.begin("r", FACTS);
    ring.addDelta("r", { id: "r", choice: 0, from: 0, n: 1, text: "a" });
    ring.addDelta("r", { id: "r", choice: 1, from: 0, n: 2, text: "b" });
    ring.addEnd("r", { id: "r", choice: 0, finish_reason: "stop" });
    ring.addDelta("r", { id: "r", choice: 1, from: 2, n: 1, text: "c" });
    expect(ring.restOf("r", 3)).toEqual({
      deltas: [{ id: "r", choice: 1, from: 2, n: 1, text: "c" }],
      ends: [{ id: "r", choice: 0, finish_reason: "stop" }],
      done: null,
    });
    ring.end("r", DONE, 0);
    expect(ring.restOf("r", 4)).toEqual({ deltas: [], ends: [], done: DONE });
    // Inside of the second delta, and past the last token.
    expect([ring.restOf("r", 2), ring.restOf("r", 5), ring.restOf("x", 0)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("keeps an ended answer for half a minute", () => {
    const ring = new ResumeRing();
    filled(ring, "r", [1]);
    ring.end("r", DONE, 1_000);
    ring.sweep(30_999);
    expect(ring.restOf("r", 0)?.done).toEqual(DONE);
    ring.sweep(31_000);
    expect(ring.restOf("r", 0)).toBeUndefined();
    expect(ring.counts).toEqual({ answers: 0, parts: 0 });
  });

  it("gives ended answers up first, then the beginnings of live ones", () => {
    const ring = new ResumeRing(8);
    filled(ring, "old", [1, 1]);
    filled(ring, "ended", [1, 1, 1, 1]);
    ring.end("ended", DONE, 0);
    filled(ring, "new", [1, 1, 1]);
    expect(ring.restOf("ended", 4)).toBeUndefined();
    expect(ring.restOf("old", 0)?.deltas).toHaveLength(2);
    filled(ring, "newer", [1, 1, 1, 1]);
    expect(ring.restOf("old", 0)).toBeUndefined();
    expect(ring.restOf("old", 2)).toEqual({ deltas: [], ends: [], done: null });
    expect(ring.restOf("newer", 1)?.deltas).toHaveLength(3);
  });

  it("is whole from any token that a delta began with, and within its bound, whatever is added", () => {
    const added = fc.array(fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 3 }), fc.boolean()), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(added, fc.integer({ min: 1, max: 64 }), (steps, partsMax) => {
        const ring = new ResumeRing(partsMax);
        const tokens = new Map<string, number>();
        for (const [number, n, ends] of steps) {
          const id = `r${number}`;
          if (!tokens.has(id)) ring.begin(id, FACTS);
          const from = tokens.get(id) ?? 0;
          ring.addDelta(id, { id, from, n, text: "" });
          tokens.set(id, from + n);
          if (ends) {
            ring.end(id, DONE, 0);
            tokens.delete(id);
          }
          expect(ring.counts.parts).toBeLessThanOrEqual(partsMax);
        }
        for (const [id, total] of tokens) {
          for (let from = 0; from <= total; from++) {
            const rest = ring.restOf(id, from);
            if (rest === undefined) continue;
            const sent = rest.deltas.reduce((sum, { n }) => sum + n, 0);
            expect(from + sent).toBe(total);
          }
          expect(ring.restOf(id, total)).toBeDefined();
        }
      }),
    );
  });
});
