import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SubmitBatch } from "./submit-batch.ts";

describe("SubmitBatch", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const started = () => {
    const sent: string[] = [];
    const clock = { nowMs: () => Date.now() };
    return { sent, batch: new SubmitBatch((text) => sent.push(text), clock) };
  };

  it("sends the first at once and what follows within the window together", () => {
    const { sent, batch } = started();
    batch.add("1", 1);
    expect(sent).toEqual(['{"type":"submit","requests":[1]}']);
    batch.add("2", 1);
    batch.add("3", 1);
    expect(sent).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(sent.slice(1)).toEqual(['{"type":"submit","requests":[2,3]}']);
    batch.add("4", 1);
    expect(sent).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(sent.slice(2)).toEqual(['{"type":"submit","requests":[4]}']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("sends alone what comes a window after the last one, and sets no timer for it", () => {
    const { sent, batch } = started();
    batch.add("1", 1);
    vi.advanceTimersByTime(1);
    batch.add("2", 1);
    expect(sent).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("holds even the first for others when the node has many requests", () => {
    const { sent, batch } = started();
    batch.add("1", 5);
    batch.add("2", 6);
    expect(sent).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(sent).toEqual(['{"type":"submit","requests":[1,2]}']);
    vi.advanceTimersByTime(1);
    batch.add("3", 4);
    expect(sent).toHaveLength(2);
  });

  it("keeps a frame within its bounds of requests and characters", () => {
    const { sent, batch } = started();
    batch.add("0", 1);
    for (let i = 0; i < 1_025; i++) batch.add("1", 1);
    expect(sent).toHaveLength(2);
    expect(sent[1]).toHaveLength('{"type":"submit","requests":[]}'.length + 1_024 * 2 - 1);
    const half = "x".repeat(5 * 1024 * 1024);
    batch.add(half, 1);
    batch.add(half, 1);
    expect(sent).toHaveLength(3);
    vi.advanceTimersByTime(1);
    expect(sent).toHaveLength(4);
  });

  it("sends at once what is flushed, and nothing twice", () => {
    const { sent, batch } = started();
    batch.add("1", 1);
    batch.add("2", 1);
    batch.flush();
    expect(sent).toHaveLength(2);
    vi.advanceTimersByTime(10);
    expect(sent).toHaveLength(2);
  });
});
