// Lost links and lost nodes, as a client sees them: what goes on without a gap, what another node takes over, what ends.
import type { ErrorValue } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { freshHub, hubRequest, openStream } from "../../test/hub-request.ts";
import { helloOf, TestNode } from "../../test/test-node.ts";
import type { AnswerSink } from "./answer-sink.ts";
import { LiveRequests } from "./live-requests.ts";
import { NodeDirectory } from "./node-directory.ts";
import { NodeLink } from "./node-link.ts";

const RESUMES = { resumes: true };

describe("a node that comes back", () => {
  it("goes on with its streams where the hub is, and each client has every token once", async () => {
    const hub = freshHub();
    const old = await TestNode.link(hub, "node-a", RESUMES);
    expect((await old.next("resume")).requests).toEqual([]);
    const answer = openStream(hub, hubRequest());
    const id = await old.accept();
    old.step(id, { from: 0, text: "A" });
    old.step(id, { from: 1, text: "B" });
    const response = await answer;
    const node = await TestNode.link(hub, "node-a", RESUMES);
    const { requests } = await node.next("resume");
    // What the old link still carried may or may not have been read before the new one greeted.
    const from = requests[0]?.from ?? -1;
    expect(requests).toEqual([{ id, from }]);
    const texts = ["A", "B", "C"];
    for (let token = from; token < 3; token++) {
      node.step(id, { from: token, text: texts[token] ?? "" });
    }
    node.done(id, 3);
    const contents = [...(await response.text()).matchAll(/"delta":\{"content":"([A-C])"\}/g)];
    expect(contents.map(([, text]) => text)).toEqual(["A", "B", "C"]);
  });

  it("ends a stream with an error when it does not have the answer any more", async () => {
    const hub = freshHub();
    const old = await TestNode.link(hub, "node-a", RESUMES);
    const answer = openStream(hub, hubRequest());
    const id = await old.accept();
    old.step(id, { from: 0, text: "A" });
    const response = await answer;
    const node = await TestNode.link(hub, "node-a", RESUMES);
    await node.next("resume");
    const refusal = { status: 404, code: "not_found", message: "gone", param: null };
    node.send({ type: "refuse", id, ...refusal });
    const text = await response.text();
    expect(text).toContain("event: error");
    expect(text).toContain('"code":"upstream_error"');
    expect(text).not.toContain("[DONE]");
  });
});

class NotingSink implements AnswerSink {
  readonly errors: ErrorValue[] = [];
  readonly texts: string[] = [];
  readonly bufferedBytes = 0;
  acceptCount = 0;
  accept(): void {
    this.acceptCount += 1;
  }
  write({ text }: { readonly text: string }) {
    this.texts.push(text);
    return "open" as const;
  }
  finishChoice() {
    return "open" as const;
  }
  finish(): void {}
  fail(error: ErrorValue): void {
    this.errors.push(error);
  }
  tick() {
    return "open" as const;
  }
  cut(): void {}
}

const NOW_MS = 1_000_000;

function stage() {
  const directory = new NodeDirectory();
  const live = new LiveRequests(directory);
  const join = async (nodeId: string, epoch = 1) => {
    const { 0: theirs, 1: ours } = new WebSocketPair();
    ours.accept();
    const node = new TestNode(nodeId, theirs);
    const link: NodeLink = new NodeLink({
      socket: ours,
      nodeId,
      region: "local",
      shard: 0,
      shardCount: 1,
      hubBoot: "boot",
      clock: { nowMs: () => NOW_MS },
      events: {
        greeted: () => undefined,
        linked: (_, hello) => {
          directory.add(link, hello);
          live.nodeLinked(link, hello, NOW_MS);
          live.nodeAvailable(NOW_MS);
        },
        frame: () => undefined,
        lost: () => {
          directory.remove(link);
          live.linkLost(link, NOW_MS);
        },
      },
    });
    node.send(helloOf(nodeId, { ...RESUMES, epoch }));
    const { requests } = await node.next("resume");
    return { node, link, requests };
  };
  const open = () => {
    const sink = new NotingSink();
    const request = hubRequest({ deadlineMs: NOW_MS + 1e9 });
    live.open(request, sink, NOW_MS);
    return { id: request.requestId, sink };
  };
  const accept = (link: NodeLink, id: string) =>
    live.accepted(link, { type: "accept", id, model: "tiny", prompt_tokens: 1 }, NOW_MS);
  const step = (link: NodeLink, id: string, from: number) => {
    const deltas = [{ id, from, n: 1, text: String(from) }];
    live.stepped(link, { type: "step", step: from, deltas }, NOW_MS);
  };
  return { live, join, open, accept, step };
}

describe("a link that was cut", () => {
  it("waits five seconds for its node once there is a token, then ends with an error", async () => {
    const { live, join, open, accept, step } = stage();
    const { link } = await join("node-a");
    const { id, sink } = open();
    accept(link, id);
    step(link, id, 0);
    link.close("silent for 5000 ms");
    live.tick(NOW_MS + 4_999);
    expect(sink.errors).toEqual([]);
    live.tick(NOW_MS + 5_000);
    expect(sink.errors).toMatchObject([{ code: "upstream_error" }]);
  });

  it("goes on at the same boot of its node, and ends at another one", async () => {
    const { join, open, accept, step } = stage();
    const first = await join("node-a");
    const { id, sink } = open();
    accept(first.link, id);
    step(first.link, id, 0);
    first.link.close("silent");
    const second = await join("node-a");
    expect(second.requests).toEqual([{ id, from: 1 }]);
    step(second.link, id, 1);
    expect(sink.texts).toEqual(["0", "1"]);
    second.link.close("silent");
    const third = await join("node-a", 2);
    expect(third.requests).toEqual([]);
    expect(sink.errors).toMatchObject([{ code: "upstream_error" }]);
  });

  it("gives what has no token to another node after a second, with one status line", async () => {
    const { live, join, open, accept, step } = stage();
    const lost = await join("node-a");
    const { id, sink } = open();
    accept(lost.link, id);
    const spare = await join("node-b");
    lost.link.close("silent");
    live.tick(NOW_MS + 999);
    expect(spare.node.waiting("submit")).toEqual([]);
    live.tick(NOW_MS + 1_000);
    const submitted = await spare.node.next("submit");
    expect(submitted.requests).toMatchObject([{ id, attempt: 2 }]);
    accept(spare.link, id);
    step(spare.link, id, 0);
    expect([sink.acceptCount, sink.texts, sink.errors]).toEqual([1, ["0"], []]);
    // From the first token on it stays.
    spare.link.close("silent");
    live.tick(NOW_MS + 6_000);
    expect(sink.errors).toMatchObject([{ code: "upstream_error" }]);
  });

  it("asks its node again for a submission whose word was not heard, and submits what it never got", async () => {
    const { live, join, open, accept } = stage();
    const first = await join("node-a");
    const heard = open();
    const unheard = open();
    first.link.close("silent");
    const second = await join("node-a");
    expect(second.requests).toEqual([
      { id: heard.id, from: 0, unaccepted: true },
      { id: unheard.id, from: 0, unaccepted: true },
    ]);
    accept(second.link, heard.id);
    expect(heard.sink.acceptCount).toBe(1);
    const refusal = { status: 404, code: "not_found", message: "gone", param: null };
    live.refused(second.link, { type: "refuse", id: unheard.id, ...refusal }, NOW_MS);
    const { requests } = await second.node.next("submit");
    expect(requests).toMatchObject([{ id: unheard.id, attempt: 2 }]);
    expect(unheard.sink.errors).toEqual([]);
  });
});
