import { describe, expect, it } from "vitest";
import { freshHub, hubRequest, openStream, uniqueId } from "../../test/hub-request.ts";
import { TestNode } from "../../test/test-node.ts";
import { admitInput, makeAccount } from "../../test/usage.ts";

const BODY = { messages: [{ role: "user" as const, content: "Hi" }] };

const scored = (token: string, logprob: number) => ({
  token,
  logprob,
  bytes: [...new TextEncoder().encode(token)],
  top_logprobs: [{ token: "Yo", logprob: -0.5, bytes: [89, 111] }],
});

describe("an answer in one body", () => {
  it("carries the log-probabilities of all tokens when the node sent them", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const body = { ...BODY, logprobs: true, top_logprobs: 1 };
    const outcome = hub.complete(hubRequest({ body }));
    const id = await node.accept();
    node.step(id, { from: 0, text: "Hi", logprobs: [scored("Hi", -1)] });
    node.step(id, { from: 1, text: "!", logprobs: [scored("!", -2)] });
    node.done(id, 2);
    expect(await outcome).toMatchObject({
      completion: {
        choices: [{ logprobs: { content: [scored("Hi", -1), scored("!", -2)], refusal: null } }],
      },
    });
  });

  it("has every answer of several with its own end, or the end of all", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const outcome = hub.complete(hubRequest({ body: { ...BODY, n: 2 } }));
    const id = await node.accept();
    node.step(id, { from: 0, choice: 1, text: "B" });
    node.step(id, { from: 0, choice: 0, text: "A" });
    const ends = [{ id, choice: 1, finish_reason: "length" as const }];
    node.send({ type: "step", step: 2, deltas: [], ends });
    node.step(id, { from: 1, choice: 0, text: "a" });
    node.done(id, 3);
    const choice = (index: number, content: string, finish_reason: string) => {
      return { index, message: { content }, finish_reason };
    };
    expect(await outcome).toMatchObject({
      completion: {
        choices: [choice(0, "Aa", "stop"), choice(1, "B", "length")],
        usage: { completion_tokens: 3 },
      },
    });
  });

  it("has reasoning and tool calls beside the text", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const outcome = hub.complete(hubRequest({ body: BODY }));
    const id = await node.accept();
    const call = { index: 0, id: "call_1", name: "now", arguments: "{" };
    const deltas = [
      { id, from: 0, n: 1, text: "", reasoning: "Hm." },
      { id, from: 1, n: 1, text: "", calls: [call] },
      { id, from: 2, n: 1, text: "", calls: [{ index: 0, arguments: "}" }] },
    ];
    node.send({ type: "step", step: 1, deltas });
    node.done(id, 3);
    expect(await outcome).toMatchObject({
      completion: {
        choices: [
          {
            message: {
              content: null,
              reasoning_content: "Hm.",
              tool_calls: [
                { id: "call_1", type: "function", function: { name: "now", arguments: "{}" } },
              ],
            },
            finish_reason: "tool_calls",
          },
        ],
      },
    });
  });

  it("is the whole text with its usage", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const outcome = hub.complete(hubRequest({ requestId: "req_json", body: BODY }));
    const id = await node.accept(9);
    node.step(id, { from: 0, text: "Hello", n: 2 });
    node.step(id, { from: 2, text: " there" });
    node.done(id, 3, 9);
    expect(await outcome).toEqual({
      ok: true,
      completion: {
        id: "chatcmpl-req_json",
        object: "chat.completion",
        created: 1_793_491_200,
        model: "tiny",
        choices: [
          {
            index: 0,
            message: { role: "assistant", content: "Hello there", refusal: null },
            logprobs: null,
            finish_reason: "stop",
          },
        ],
        usage: {
          prompt_tokens: 9,
          completion_tokens: 3,
          total_tokens: 12,
          prompt_tokens_details: { cached_tokens: 0 },
        },
      },
    });
  });

  it("says that no node accepted when one refused", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const outcome = hub.complete(hubRequest({ body: BODY }));
    const { requests } = await node.next("submit");
    const id = requests[0]?.id ?? "";
    const param = "messages";
    node.send({ type: "refuse", id, status: 400, code: "invalid_messages", message: "No.", param });
    expect(await outcome).toEqual({
      ok: false,
      accepted: false,
      error: { code: "invalid_messages", message: "No.", param: "messages" },
    });
  });

  it("is had as text as well", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const text = hub.completeText(hubRequest({ body: BODY }));
    const id = await node.accept();
    node.step(id, { from: 0, text: "Hi" });
    node.done(id, 1);
    const answer = await text;
    expect(typeof answer === "string" && JSON.parse(answer)).toMatchObject({
      object: "chat.completion",
      choices: [{ message: { content: "Hi" } }],
    });
    const late = await hub.completeText(hubRequest({ body: BODY, deadlineMs: Date.now() - 1 }));
    expect(late).toMatchObject({ ok: false, error: { code: "queue_timeout" } });
  });

  it("says that a node accepted when it is lost afterwards", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const outcome = hub.complete(hubRequest({ body: BODY }));
    node.step(await node.accept(), { from: 0, text: "A" });
    node.close();
    expect(await outcome).toMatchObject({
      ok: false,
      accepted: true,
      error: { code: "upstream_error" },
    });
  });

  it("ends at its deadline, and its node is told", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const outcome = hub.complete(hubRequest({ body: BODY, deadlineMs: Date.now() + 300 }));
    const id = await node.accept();
    expect(await outcome).toMatchObject({
      ok: false,
      accepted: true,
      error: { code: "queue_timeout" },
    });
    expect((await node.next("cancel")).ids).toEqual([id]);
  });

  it.each(["complete", "stream"])("gives the hold back that no node accepted: %s", async (way) => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId, { parallelRequests: 1 });
    const admit = (requestId: string) => account.admit(admitInput(tenantId, { requestId }));
    expect(await admit("req_first")).toMatchObject({ ok: true });
    expect(await admit("req_next")).toMatchObject({ ok: false });
    const late = { requestId: "req_first", tenantId, body: BODY, deadlineMs: Date.now() - 1 };
    const hub = freshHub();
    if (way === "stream") await openStream(hub, hubRequest(late));
    else await hub.complete(hubRequest(late));
    await expect.poll(() => admit("req_next")).toMatchObject({ ok: true });
  });

  it("keeps the hold of what a node accepted, and of what runs under the same id", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId, { parallelRequests: 1 });
    const admit = (requestId: string) => account.admit(admitInput(tenantId, { requestId }));
    expect(await admit("req_kept")).toMatchObject({ ok: true });
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const request = hubRequest({ requestId: "req_kept", tenantId, body: BODY });
    const first = hub.complete(request);
    await node.accept();
    expect(await hub.complete(request)).toMatchObject({ ok: false, accepted: false });
    expect(await admit("req_next")).toMatchObject({ ok: false });
    node.close();
    expect(await first).toMatchObject({ ok: false, accepted: true });
    expect(await admit("req_next")).toMatchObject({ ok: false });
  });

  it("is not begun when its deadline has passed, or when its id is running", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const late = await hub.complete(hubRequest({ body: BODY, deadlineMs: Date.now() - 1 }));
    expect(late).toMatchObject({ ok: false, accepted: false, error: { code: "queue_timeout" } });
    const first = hub.complete(hubRequest({ requestId: "req_twice", body: BODY }));
    const id = await node.accept();
    const second = await hub.complete(hubRequest({ requestId: "req_twice", body: BODY }));
    expect(second).toMatchObject({ ok: false, error: { code: "already_exists" } });
    node.done(id, 0);
    expect(await first).toMatchObject({ ok: true });
  });
});

describe("models of a shard", () => {
  it("are those of its linked nodes", async () => {
    const hub = freshHub();
    expect(await hub.listModels()).toEqual([]);
    const node = await TestNode.link(hub, uniqueId("node"));
    expect(await hub.listModels()).toEqual([
      {
        id: "tiny",
        createdSeconds: 1_700_000_000,
        contextTokens: 2_048,
        outputTokensDefault: 256,
      },
    ]);
    node.close();
    await expect.poll(() => hub.listModels()).toEqual([]);
  });
});
