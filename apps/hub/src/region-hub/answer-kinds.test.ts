// Answers of the Responses and Messages APIs, and counted prompts, as the hub gives them; what is kept of a response.
import { RetainedStore, retainedKeyOf } from "@fairlane/db";
import {
  parseResponseRequest,
  responseEcho,
  storedNames,
  type HubCountRequest,
  type HubRequest,
  type StoredAnswer,
} from "@fairlane/protocol";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { freshHub, hubRequest, openStream } from "../../test/hub-request.ts";
import { MODEL, TestNode } from "../../test/test-node.ts";

function responseRequest(options: { readonly retain: boolean }): HubRequest {
  const parsed = parseResponseRequest({ input: "Hi" });
  if (!parsed.ok) throw new Error(parsed.error.message);
  const echo = responseEcho(parsed.value);
  return hubRequest({ answer: { kind: "response", echo, retain: options.retain } });
}

const idOf = ({ requestId }: HubRequest) => requestId.replace(/^req_/, "resp_");

async function keptOf(request: HubRequest, tenantId = request.tenantId) {
  const key = await retainedKeyOf(env.SALT_SECRET, tenantId);
  const random = { fill: (target: Uint8Array<ArrayBuffer>) => target };
  const store = new RetainedStore({ bucket: env.RETAINED, tenantId, key, random });
  const ref = { kind: "response", id: storedNames(idOf(request)).answer } as const;
  const text = await store.get(ref, Date.now());
  return text === undefined ? undefined : (JSON.parse(text) as StoredAnswer);
}

describe("a response", () => {
  it("streams its events and is kept before its end is told", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const request = responseRequest({ retain: true });
    const opening = openStream(hub, request);
    const id = await node.accept(10);
    node.step(id, { from: 0, text: "Hel" });
    node.step(id, { from: 1, text: "lo" });
    node.done(id, 2);
    const text = await (await opening).text();
    const types = [...text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type);
    expect(types.at(0)).toBe("response.created");
    expect(types.at(-1)).toBe("response.completed");
    expect(text).not.toContain("[DONE]");
    const kept = await keptOf(request);
    expect(kept).toMatchObject({
      projectId: "prj_a",
      response: {
        id: idOf(request),
        status: "completed",
        output: [{ content: [{ text: "Hello" }] }],
      },
    });
    expect(await keptOf(request, "ten_b")).toBeUndefined();
  });

  it("is kept whole, also when it fails or its reader leaves, and not when nobody asked", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const whole = responseRequest({ retain: true });
    const answering = hub.complete(whole);
    const id = await node.accept();
    node.step(id, { from: 0, text: "Hi" });
    node.done(id, 1);
    expect(await answering).toMatchObject({ ok: true, completion: { object: "response" } });
    expect(await keptOf(whole)).toMatchObject({ response: { status: "completed" } });

    const failing = responseRequest({ retain: true });
    const opening = openStream(hub, failing);
    const failingId = await node.accept();
    node.step(failingId, { from: 3, text: "out of order" });
    expect(await (await opening).text()).toContain("event: response.failed");
    expect(await keptOf(failing)).toMatchObject({
      response: { status: "failed", error: { code: "upstream_error" } },
    });

    const left = responseRequest({ retain: true });
    const leaving = openStream(hub, left);
    const leftId = await node.accept();
    node.step(leftId, { from: 0, text: "So" });
    await (await leaving).body?.cancel();
    await node.next("cancel");
    await expect.poll(() => keptOf(left)).toMatchObject({ response: { status: "cancelled" } });

    const unkept = responseRequest({ retain: false });
    const asking = hub.complete(unkept);
    const unkeptId = await node.accept();
    node.done(unkeptId, 0);
    expect(await asking).toMatchObject({ ok: true });
    expect(await keptOf(unkept)).toBeUndefined();
  });
});

describe("a message", () => {
  it("streams its events with the prompt's size and the stop string that ended it", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const opening = openStream(hub, hubRequest({ answer: { kind: "message" } }));
    const id = await node.accept(10);
    node.step(id, { from: 0, text: "Hi" });
    const usage = { prompt_tokens: 10, cached_tokens: 4, completion_tokens: 1 };
    node.send({ type: "done", id, finish_reason: "stop", usage, stop_string: "END", error: null });
    const text = await (await opening).text();
    expect(text).toMatch(/^event: message_start\ndata: .*"input_tokens":10/);
    expect(text).toContain('"stop_reason":"stop_sequence","stop_sequence":"END"');
    expect(text).toMatch(/"input_tokens":6,.*"cache_read_input_tokens":4/);
    expect(text).toMatch(/event: message_stop\nid: 0\ndata: {"type":"message_stop"}\n\n$/);
  });
});

describe("counting a prompt", () => {
  const counting = (): HubCountRequest => ({ ...hubRequest(), endpoint: "count_tokens" });

  it("asks a node that can, and answers its number", async () => {
    const hub = freshHub();
    const old = await TestNode.link(hub, "node-old");
    expect(await hub.countTokens(counting())).toMatchObject({
      ok: false,
      error: { code: "model_not_found" },
    });
    const models = [{ ...MODEL, endpoints: ["count_tokens"] }];
    const node = await TestNode.link(hub, "node-new", { models });
    const outcome = hub.countTokens(counting());
    const id = await node.accept(12);
    node.done(id, 0, 12);
    expect(await outcome).toEqual({ ok: true, promptTokens: 12 });
    const refused = hub.countTokens(counting());
    const { requests } = await node.next("submit");
    expect(requests).toMatchObject([{ endpoint: "count_tokens" }]);
    const [{ id: refusedId } = { id: "" }] = requests;
    const no = { status: 400, code: "invalid_messages", message: "No.", param: "messages" };
    node.send({ type: "refuse", id: refusedId, ...no });
    expect(await refused).toMatchObject({ ok: false, error: { code: "invalid_messages" } });
    expect(old.receivedTypes).not.toContain("submit");
  });
});
