// The table with a driven clock and sinks that only note what happens to them: bounds and times that streams over
// a real link would take seconds to reach.
import type { ErrorValue } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { hubRequest } from "../../test/hub-request.ts";
import { helloOf } from "../../test/test-node.ts";
import type { AnswerSink } from "./answer-sink.ts";
import { LiveRequests } from "./live-requests.ts";
import { NodeDirectory } from "./node-directory.ts";
import { NodeLink } from "./node-link.ts";

class NotingSink implements AnswerSink {
  readonly errors: ErrorValue[] = [];
  bufferedBytes = 0;
  isAccepted = false;
  isCut = false;
  accept(): void {
    this.isAccepted = true;
  }
  write() {
    return "open" as const;
  }
  finishChoice() {
    return "open" as const;
  }
  finish(): void {
    throw new Error("nothing finishes here");
  }
  fail(error: ErrorValue): void {
    this.errors.push(error);
  }
  tick() {
    return "open" as const;
  }
  cut(): void {
    this.isCut = true;
  }
}

const NOW_MS = 1_000_000;
const FAR_MS = NOW_MS + 10_000_000;

function started(isLinked = true) {
  const directory = new NodeDirectory();
  const live = new LiveRequests(directory);
  const { 0: theirs, 1: ours } = new WebSocketPair();
  ours.accept();
  theirs.accept();
  const link = new NodeLink({
    socket: ours,
    nodeId: "node-a",
    region: "local",
    shard: 0,
    shardCount: 1,
    hubBoot: "boot",
    clock: { nowMs: () => NOW_MS },
    events: {
      greeted: () => undefined,
      linked: () => undefined,
      frame: () => undefined,
      lost: () => undefined,
    },
  });
  if (isLinked) directory.add(link, helloOf("node-a"));
  const open = (content = "Hi", deadlineMs = FAR_MS) => {
    const sink = new NotingSink();
    const body = { messages: [{ role: "user" as const, content }] };
    const request = hubRequest({ body, deadlineMs });
    live.open(request, sink, NOW_MS);
    return { id: request.requestId, sink };
  };
  const accept = (id: string) => {
    live.accepted(link, { type: "accept", id, model: "tiny", prompt_tokens: 1 }, NOW_MS);
  };
  return { live, link, open, accept };
}

const codes = (sink: NotingSink): string[] => sink.errors.map(({ code }) => code);

describe("LiveRequests", () => {
  it("waits 2 s for a node, and 15 s for its word", () => {
    const unlinked = started(false);
    const waiting = unlinked.open();
    unlinked.live.tick(NOW_MS + 1_999);
    expect(codes(waiting.sink)).toEqual([]);
    unlinked.live.tick(NOW_MS + 2_000);
    expect(codes(waiting.sink)).toEqual(["no_capacity"]);
    const linked = started();
    const submitted = linked.open();
    linked.live.tick(NOW_MS + 14_999);
    expect(codes(submitted.sink)).toEqual([]);
    linked.live.tick(NOW_MS + 15_000);
    expect(codes(submitted.sink)).toEqual(["upstream_error"]);
    expect([unlinked.live.count, linked.live.count]).toEqual([0, 0]);
  });

  it("ends every request at its deadline, whatever its state", () => {
    const { live, open, accept } = started();
    const submitted = open("Hi", NOW_MS + 10);
    const answering = open("Hi", NOW_MS + 10);
    accept(answering.id);
    live.tick(NOW_MS + 9);
    expect([...codes(submitted.sink), ...codes(answering.sink)]).toEqual([]);
    live.tick(NOW_MS + 10);
    expect(codes(submitted.sink)).toEqual(["queue_timeout"]);
    expect(codes(answering.sink)).toEqual(["queue_timeout"]);
  });

  it("takes 4,096 requests and refuses the next until one ends", () => {
    const { live, open } = started();
    const first = open();
    for (let i = 1; i < 4_096; i++) open();
    expect(live.count).toBe(4_096);
    const refused = open();
    expect(refused.sink.errors).toEqual([
      expect.objectContaining({ code: "overloaded", retryAfterMs: 1_000 }),
    ]);
    live.cancel(first.id);
    expect(codes(open().sink)).toEqual([]);
  });

  it("bounds the bodies that wait for a node's word, and counts them no longer afterwards", () => {
    const { open, accept } = started();
    const big = "x".repeat(6 * 1024 * 1024);
    const first = open(big);
    const second = open(big);
    expect([...codes(first.sink), ...codes(second.sink)]).toEqual([]);
    expect(codes(open(big).sink)).toEqual(["overloaded"]);
    accept(first.id);
    expect(codes(open(big).sink)).toEqual([]);
  });

  it("cuts the slowest readers when all together leave more than 32 MiB unread", () => {
    const { live, open, accept } = started();
    const sinks = [10, 30, 20].map((mebibytes) => {
      const { id, sink } = open();
      accept(id);
      sink.bufferedBytes = mebibytes * 1024 * 1024;
      return sink;
    });
    live.tick(NOW_MS);
    expect(sinks.map(({ isCut }) => isCut)).toEqual([false, true, false]);
    expect(live.count).toBe(2);
  });

  it("ends an answer when its node accepts twice, or ends what it has not accepted", () => {
    const { live, link, open, accept } = started();
    const twice = open();
    accept(twice.id);
    accept(twice.id);
    expect(codes(twice.sink)).toEqual(["upstream_error"]);
    const early = open();
    const usage = { prompt_tokens: 1, cached_tokens: 0, completion_tokens: 0 };
    const done = { type: "done", id: early.id, finish_reason: "stop", usage, error: null } as const;
    live.done(link, done);
    expect(codes(early.sink)).toEqual(["upstream_error"]);
    expect(early.sink.isAccepted).toBe(false);
  });
});
