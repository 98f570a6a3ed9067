// Shows the bounded waits of a node that goes down, on a driven clock.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { drainRequests } from "./drain.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function draining(state: { live: number; unacked: number }) {
  const cancelled: string[] = [];
  const done = drainRequests({
    liveCount: () => state.live,
    cancelAll: (error) => {
      cancelled.push(error.code);
      state.live = 0;
    },
    unackedRecords: () => state.unacked,
    timeoutMs: 1_000,
  });
  return { cancelled, done };
}

describe("drainRequests", () => {
  it("is done at once when nothing runs", async () => {
    const { cancelled, done } = draining({ live: 0, unacked: 0 });
    expect(await done).toBe(true);
    expect(cancelled).toEqual([]);
  });

  it("waits for what runs and cancels nothing that ends in time", async () => {
    const state = { live: 2, unacked: 0 };
    const { cancelled, done } = draining(state);
    await vi.advanceTimersByTimeAsync(500);
    state.live = 0;
    await vi.advanceTimersByTimeAsync(20);
    expect(await done).toBe(true);
    expect(cancelled).toEqual([]);
  });

  it("cancels with `draining` what is left when the time is over", async () => {
    const { cancelled, done } = draining({ live: 2, unacked: 0 });
    await vi.advanceTimersByTimeAsync(1_020);
    expect(await done).toBe(false);
    expect(cancelled).toEqual(["draining"]);
  });

  it("waits for the hub's acknowledgement, but not for ever", async () => {
    const { done } = draining({ live: 0, unacked: 3 });
    let isDone = false;
    void done.then(() => (isDone = true));
    await vi.advanceTimersByTimeAsync(1_900);
    expect(isDone).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    expect(isDone).toBe(true);
  });
});
