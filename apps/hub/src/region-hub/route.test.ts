import { prefixDigests, prefixText } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { freshHub, hubRequest, openStream, uniqueId } from "../../test/hub-request.ts";
import { MODEL, TestNode } from "../../test/test-node.ts";

const errorCode = async (response: Response): Promise<unknown> =>
  (await response.json<{ error: { code: string } }>()).error.code;

function heartbeat(node: TestNode, load: { running: number; waiting: number }, draining = false) {
  const pages = { pages_free: 10, pages_total: 10 };
  node.send({ type: "heartbeat", sent_at_ms: 1, load: { ...load, ...pages }, draining });
}

// The hub answers a step of a request that it does not know with a cancel, and reads frames in order.
async function isHeard(node: TestNode): Promise<void> {
  const id = uniqueId("ghost");
  node.step(id, { from: 0, text: "" });
  expect((await node.next("cancel")).ids).toEqual([id]);
}

describe("routing", () => {
  it("waits a bounded time for a node, then has no capacity", async () => {
    const hub = freshHub();
    const startMs = Date.now();
    const response = await openStream(hub, hubRequest());
    expect(response.status).toBe(503);
    expect(await errorCode(response)).toBe("no_capacity");
    expect(response.headers.get("retry-after")).toBe("1");
    expect(Date.now() - startMs).toBeLessThan(5_000);
  });

  it("gives a waiting request to the node that links", async () => {
    const hub = freshHub();
    const answer = openStream(hub, hubRequest());
    const node = await TestNode.link(hub, "node-a");
    const id = await node.accept();
    node.done(id, 0);
    expect((await answer).status).toBe(200);
    await (await answer).text();
  });

  it("does not know a model that no linked node serves", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const messages = [{ role: "user" as const, content: "Hi" }];
    const response = await openStream(hub, hubRequest({ body: { model: "huge", messages } }));
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      error: {
        message: "The model 'huge' does not exist or is not served in this region.",
        type: "invalid_request_error",
        param: "model",
        code: "model_not_found",
      },
    });
    expect(node.waiting("submit")).toEqual([]);
  });

  it("sends each request to the least loaded node that serves its model", async () => {
    const hub = freshHub();
    const [busy, idle, other] = await Promise.all([
      TestNode.link(hub, "node-a"),
      TestNode.link(hub, "node-b"),
      TestNode.link(hub, "node-c", { models: [{ ...MODEL, id: "other" }] }),
    ]);
    heartbeat(busy, { running: 3, waiting: 2 });
    heartbeat(idle, { running: 3, waiting: 0 });
    await Promise.all([isHeard(busy), isHeard(idle)]);
    const messages = [{ role: "user" as const, content: "Hi" }];
    // The idle one takes two (its 3 and 4 are below 5); at 5 the tie goes to the smaller name.
    const body = { model: "tiny", messages };
    const answers = [];
    const running: (readonly [TestNode, string])[] = [];
    for (const expected of [idle, idle, busy]) {
      answers.push(openStream(hub, hubRequest({ body })));
      running.push([expected, await expected.accept()]);
    }
    for (const [node, id] of running) node.done(id, 0);
    for (const answer of answers) expect((await answer).status).toBe(200);
    // What ended counts no more, before any heartbeat says so.
    const next = openStream(hub, hubRequest({ body }));
    idle.done(await idle.accept(), 0);
    expect((await next).status).toBe(200);
    expect(other.waiting("submit")).toEqual([]);
  });

  it("sends prompts with a beginning that a node named to that node, as long as it pays", async () => {
    const hub = freshHub();
    const [first, second] = await Promise.all([
      TestNode.link(hub, "node-a"),
      TestNode.link(hub, "node-b"),
    ]);
    const content = "You are a patient teacher of sailors. ".repeat(60);
    const body = { messages: [{ role: "user" as const, content }], stream: true };
    const scope = { salt: hubRequest().tenantSalt, adapterDigest: null };
    second.send({
      ...{ type: "heartbeat", sent_at_ms: 1, draining: false },
      load: { running: 2, waiting: 0, pages_free: 9, pages_total: 9 },
      prefixes: prefixDigests(scope, prefixText(body)),
    });
    await isHeard(second);
    const answer = openStream(hub, hubRequest({ body }));
    second.done(await second.accept(), 0);
    expect((await answer).status).toBe(200);
    // Another tenant's prompt has another digest.
    const other = openStream(hub, hubRequest({ body, tenantSalt: "cd".repeat(32) }));
    first.done(await first.accept(), 0);
    expect((await other).status).toBe(200);
  });

  it("sheds at once what even the best node could only begin after its deadline", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const load = { running: 9, waiting: 9, pages_free: 0, pages_total: 9 };
    node.send({
      ...{ type: "heartbeat", sent_at_ms: 1, draining: false },
      load: { ...load, queued_tokens: 90_000, prefill_tokens_per_s: 1_000 },
    });
    await isHeard(node);
    const startMs = Date.now();
    const response = await openStream(hub, hubRequest());
    expect([response.status, await errorCode(response)]).toEqual([503, "overloaded"]);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(Date.now() - startMs).toBeLessThan(1_000);
    expect(node.waiting("submit")).toEqual([]);
  });

  it("gives nothing to a draining node, until it takes work again", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    heartbeat(node, { running: 0, waiting: 0 }, true);
    await isHeard(node);
    const answer = openStream(hub, hubRequest());
    // Long enough for a submission that must not come.
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(node.waiting("submit")).toEqual([]);
    heartbeat(node, { running: 0, waiting: 0 }, false);
    node.done(await node.accept(), 0);
    expect((await answer).status).toBe(200);
  });

  it("tries another node with the next attempt when one is lost before it accepted", async () => {
    const hub = freshHub();
    const first = await TestNode.link(hub, "node-a");
    const answer = openStream(hub, hubRequest({ requestId: "req_failover" }));
    const submitted = await first.next("submit");
    expect(submitted.requests[0]).toMatchObject({ id: "req_failover", attempt: 1 });
    const second = await TestNode.link(hub, "node-b");
    first.close();
    const again = await second.next("submit");
    expect(again.requests[0]).toMatchObject({ id: "req_failover", attempt: 2 });
    second.send({ type: "accept", id: "req_failover", model: "tiny", prompt_tokens: 1 });
    second.done("req_failover", 0);
    expect((await answer).status).toBe(200);
  });

  it("tries another node when one is full, and hands its refusal on when there is none", async () => {
    const hub = freshHub();
    const nodes = [await TestNode.link(hub, "node-a"), await TestNode.link(hub, "node-b")];
    const answer = openStream(hub, hubRequest({ requestId: "req_full" }));
    for (const [index, node] of nodes.entries()) {
      const { requests } = await node.next("submit");
      expect(requests[0]?.attempt).toBe(index + 1);
      const message = `Node ${index} is full.`;
      const refusal = { status: 503, code: "overloaded", message, param: null };
      node.send({ type: "refuse", id: "req_full", ...refusal });
    }
    const response = await answer;
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after-ms")).toBe("1000");
    expect(await response.json()).toMatchObject({
      error: { code: "overloaded", message: "Node 1 is full." },
    });
  });

  it("gives up after three nodes were lost with the request", async () => {
    const hub = freshHub();
    const answer = openStream(hub, hubRequest());
    for (const attempt of [1, 2, 3]) {
      const node = await TestNode.link(hub, `node-${attempt}`);
      expect((await node.next("submit")).requests[0]?.attempt).toBe(attempt);
      node.close();
    }
    const spare = await TestNode.link(hub, "node-4");
    expect((await answer).status).toBe(503);
    expect(spare.waiting("submit")).toEqual([]);
  });

  it("carries what the node needs of the request, and coalesces a burst", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const request = hubRequest({ requestId: "req_wire", deadlineMs: 1_999_999_999_999 });
    const answer = openStream(hub, request);
    const { requests } = await node.next("submit");
    expect(requests).toEqual([
      {
        id: "req_wire",
        attempt: 1,
        tenant_id: "ten_a",
        project_id: "prj_a",
        key_id: "key_a",
        tenant_salt: "ab".repeat(32),
        weight: 1,
        tier: "interactive",
        deadline_ms: 1_999_999_999_999,
        price_version: "plan_a",
        form: JSON.stringify({
          endpoint: "chat.completions",
          choices: 1,
          usage: false,
          created_ms: 1_793_491_200_999,
          terms: { attempt: 1, projectId: "prj_a", keyId: "key_a", priceVersion: "plan_a" },
        }),
        endpoint: "chat.completions",
        body: { messages: [{ role: "user", content: "Hi" }], stream: true },
      },
    ]);
    node.send({ type: "accept", id: "req_wire", model: "tiny", prompt_tokens: 1 });
    node.done("req_wire", 0);
    await (await answer).text();
    const outcomes = Array.from({ length: 20 }, () => hub.complete(hubRequest()));
    let taken = 0;
    let frames = 0;
    while (taken < 20) {
      frames += 1;
      for (const { id } of (await node.next("submit")).requests) {
        taken += 1;
        node.send({ type: "accept", id, model: "tiny", prompt_tokens: 1 });
        node.done(id, 0);
      }
    }
    expect(frames).toBeLessThan(20);
    for (const outcome of await Promise.all(outcomes)) expect(outcome.ok).toBe(true);
  });
});
