import type { HelloFrame } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { freshHub, hubRequest, openStream } from "../../test/hub-request.ts";
import { helloOf, TestNode } from "../../test/test-node.ts";
import { NodeLink } from "./node-link.ts";

describe("the greeting", () => {
  it("tells a node its region, its shard and how many there are", async () => {
    const hub = freshHub();
    const node = await TestNode.dial(hub, "node-a");
    node.send(helloOf("node-a"));
    expect(await node.next("welcome")).toEqual({
      type: "welcome",
      wire: 1,
      region: "local",
      shard: 0,
      shard_count: 2,
      heartbeat_ms: 1_000,
      hub_boot: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      batches: true,
    });
  });

  it.each<[string, Partial<HelloFrame>, string]>([
    ["another node's name", { node_id: "node-b" }, "hello of node 'node-b'"],
    ["another region", { region: "moon" }, "hello of region 'moon'"],
  ])("ends for %s", async (_, change, reason) => {
    const node = await TestNode.dial(freshHub(), "node-a");
    node.send(helloOf("node-a", change));
    expect(await node.closed).toMatchObject({
      code: 1008,
      reason: expect.stringContaining(reason) as string,
    });
    expect(node.waiting("welcome")).toEqual([]);
  });

  it("ends for a frame before hello, and for a second hello", async () => {
    const hub = freshHub();
    const early = await TestNode.dial(hub, "node-a");
    early.step("req_x", { from: 0, text: "A" });
    expect((await early.closed).reason).toBe("step before hello");
    const twice = await TestNode.link(hub, "node-b");
    twice.send(helloOf("node-b"));
    expect((await twice.closed).reason).toBe("a second hello");
  });
});

describe("a batch of frames", () => {
  it("is read in its order, without the types that a newer node adds", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const outcome = hub.complete(hubRequest());
    const [request] = (await node.next("submit")).requests;
    const id = request?.id ?? "";
    const usage = { prompt_tokens: 5, cached_tokens: 0, completion_tokens: 1 };
    const frames = [
      { type: "accept", id, model: "tiny", prompt_tokens: 5 },
      { type: "weather", sunny: true },
      { type: "step", step: 0, deltas: [{ id, from: 0, n: 1, text: "Hi" }] },
      { type: "done", id, finish_reason: "stop", usage, error: null },
    ];
    node.sendRaw(JSON.stringify(frames));
    expect(await outcome).toMatchObject({
      ok: true,
      completion: { choices: [{ message: { content: "Hi" } }], usage: { total_tokens: 6 } },
    });
  });

  it("ends the link at the first that is wrong", async () => {
    const node = await TestNode.link(freshHub(), "node-a");
    node.sendRaw('[{"type":"weather"},{"type":"step"},{"type":"hello"}]');
    expect((await node.closed).reason).toContain("step.step");
  });
});

describe("frames that are wrong", () => {
  it("end the link when they are malformed, without repeating what they say", async () => {
    const node = await TestNode.link(freshHub(), "node-a");
    node.sendRaw('{"type":"step","step":0,"deltas":[{"id":"a","from":0,"n":0,"text":"secret"}]}');
    const { code, reason } = await node.closed;
    expect(code).toBe(1008);
    expect(reason).toContain("step.deltas.0.n");
    expect(reason).not.toContain("secret");
  });

  it("end the link when they are binary", async () => {
    const node = await TestNode.link(freshHub(), "node-a");
    node.sendRaw(new Uint8Array([1, 2, 3]).buffer);
    expect((await node.closed).reason).toBe("a binary frame");
  });

  it("are ignored when a newer node adds their type", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    node.sendRaw('{"type":"weather","sunny":true}');
    const answer = openStream(hub, hubRequest());
    node.done(await node.accept(), 0);
    expect((await answer).status).toBe(200);
  });

  it("end the link when they report the usage of another node", async () => {
    const node = await TestNode.link(freshHub(), "node-a");
    const record = {
      tenant_id: "ten_a",
      seq: 1,
      request_id: "req_a",
      attempt: 1,
      project_id: "prj_a",
      key_id: "key_a",
      model: "tiny",
      price_version: "plan_a",
      final: true,
      finish_reason: "stop" as const,
      prompt_tokens: 1,
      cached_tokens: 0,
      computed_prompt_tokens: 1,
      output_tokens: 1,
      received_at_ms: 1,
      queue_ms: 0,
      ttft_ms: 1,
      ended_at_ms: 2,
    };
    node.send({ type: "usage", node_id: "node-b", epoch: 1, records: [record] });
    expect((await node.closed).reason).toBe("usage of another node");
  });
});

describe("a second link of the same node", () => {
  it("replaces the first, whose running answers end and whose waiting requests move over", async () => {
    const hub = freshHub();
    const old = await TestNode.link(hub, "node-a", { epoch: 5 });
    const running = openStream(hub, hubRequest());
    old.step(await old.accept(), { from: 0, text: "A" });
    const waiting = openStream(hub, hubRequest({ requestId: "req_waiting" }));
    await old.next("submit");
    const node = await TestNode.link(hub, "node-a", { epoch: 6 });
    expect((await old.closed).reason).toBe("replaced by a newer link of the same node");
    expect(await (await running).text()).toContain('"code":"upstream_error"');
    expect((await node.next("submit")).requests[0]).toMatchObject({
      id: "req_waiting",
      attempt: 2,
    });
    node.send({ type: "accept", id: "req_waiting", model: "tiny", prompt_tokens: 1 });
    node.done("req_waiting", 0);
    expect((await waiting).status).toBe(200);
  });

  it("is refused when its epoch is older", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a", { epoch: 5 });
    const stale = await TestNode.dial(hub, "node-a");
    stale.send(helloOf("node-a", { epoch: 4 }));
    expect((await stale.closed).reason).toBe("epoch 4 is older than the linked 5");
    const answer = openStream(hub, hubRequest());
    node.done(await node.accept(), 0);
    expect((await answer).status).toBe(200);
  });
});

describe("the watch", () => {
  function watched() {
    const clock = { now: 1_000, nowMs: () => clock.now };
    const { 0: theirs, 1: ours } = new WebSocketPair();
    ours.accept();
    const node = new TestNode("node-a", theirs);
    let lostCount = 0;
    const link = new NodeLink({
      socket: ours,
      nodeId: "node-a",
      region: "local",
      shard: 0,
      shardCount: 1,
      hubBoot: "boot",
      clock,
      events: {
        greeted: () => undefined,
        linked: () => undefined,
        frame: () => undefined,
        lost: () => (lostCount += 1),
      },
    });
    return { clock, node, link, lostCount: () => lostCount };
  }

  it("gives up a link that is silent for five heartbeats, and reports it once", async () => {
    const { clock, node, link, lostCount } = watched();
    node.send(helloOf("node-a"));
    await node.next("welcome");
    clock.now = 5_999;
    link.check(clock.now);
    expect(link.isLost).toBe(false);
    clock.now = 6_000;
    link.check(clock.now);
    expect(link.isLost).toBe(true);
    expect((await node.closed).reason).toBe("silent for 5000 ms");
    link.check(60_000);
    expect(lostCount()).toBe(1);
  });

  it("counts any frame as a sign of life", async () => {
    const { clock, node, link } = watched();
    clock.now = 5_000;
    node.send(helloOf("node-a"));
    await node.next("welcome");
    clock.now = 9_000;
    link.check(clock.now);
    expect(link.isLost).toBe(false);
  });

  it("also gives up a link that never greets", () => {
    const { clock, link, lostCount } = watched();
    clock.now = 6_000;
    link.check(clock.now);
    expect(lostCount()).toBe(1);
  });

  it("asks for the cancellation of an id once, after what was submitted before it", async () => {
    const { node, link } = watched();
    link.submit('{"id":"req_x"}'.replace("}", wireRest()), 1);
    link.submit('{"id":"req_y"}'.replace("}", wireRest()), 2);
    link.cancel("req_y");
    link.cancel("req_y");
    link.cancel("req_z");
    expect((await node.next("submit")).requests.map(({ id }) => id)).toEqual(["req_x"]);
    expect((await node.next("submit")).requests.map(({ id }) => id)).toEqual(["req_y"]);
    expect((await node.next("cancel")).ids).toEqual(["req_y"]);
    expect((await node.next("cancel")).ids).toEqual(["req_z"]);
    expect(node.receivedTypes).toEqual(["submit", "submit", "cancel", "cancel"]);
  });
});

// The rest of a request's JSON, for frames that only their order matters of.
function wireRest(): string {
  const request = {
    attempt: 1,
    tenant_id: "ten_a",
    project_id: "prj_a",
    key_id: "key_a",
    tenant_salt: "ab".repeat(32),
    weight: 1,
    tier: "batch",
    deadline_ms: 1,
    price_version: "plan_a",
    endpoint: "chat.completions",
    body: { messages: [{ role: "user", content: "Hi" }] },
  };
  return `,${JSON.stringify(request).slice(1)}`;
}
