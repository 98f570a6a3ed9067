// Walks a node through its phases.
import { describe, expect, it } from "vitest";
import { Readiness } from "./readiness.ts";

describe("Readiness", () => {
  it("goes from loading to ready, and says what it is loading", () => {
    const readiness = new Readiness(() => undefined);
    readiness.loading("the weights");
    expect(readiness.notReady).toEqual({ reason: "loading", detail: "the weights" });
    expect(readiness.refusal({ isBilled: false })).toMatchObject({
      code: "overloaded",
      message: "The node takes no requests now: the weights.",
    });
    readiness.opened();
    expect(readiness.notReady).toBeUndefined();
    expect(readiness.refusal({ isBilled: true })).toBeNull();
    readiness.loading("too late");
    expect(readiness.phase).toBe("ready");
  });

  it("is out of service while a step is stuck, and comes back", () => {
    const readiness = new Readiness(() => undefined);
    readiness.opened();
    readiness.stuck(true);
    expect(readiness.notReady?.reason).toBe("stuck");
    readiness.stuck(false);
    expect(readiness.notReady).toBeUndefined();
  });

  it("refuses billed work only while the journal is full", () => {
    let reason: string | undefined = "too many records";
    const readiness = new Readiness(() => reason);
    readiness.opened();
    expect(readiness.notReady?.reason).toBe("journal_full");
    expect(readiness.refusal({ isBilled: false })).toBeNull();
    expect(readiness.refusal({ isBilled: true })?.code).toBe("overloaded");
    reason = undefined;
    expect(readiness.refusal({ isBilled: true })).toBeNull();
  });

  it("never leaves draining and failed", () => {
    const readiness = new Readiness(() => undefined);
    readiness.drain();
    readiness.opened();
    expect(readiness.refusal({ isBilled: true })?.code).toBe("draining");
    readiness.fail("the engine failed");
    readiness.drain();
    readiness.opened();
    expect(readiness.phase).toBe("failed");
  });
});
