// Clients that come back with the index of their last token, to a hub that knows nothing of the request, or knows it.
import {
  HUB_ATTACH_URL,
  parseResponseRequest,
  responseEcho,
  type HubAttachRequest,
  type StepFrame,
} from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { freshHub, hubRequest, openStream, uniqueId } from "../../test/hub-request.ts";
import { TestNode } from "../../test/test-node.ts";
import { formText } from "./answer-form.ts";

const RESUMES = { resumes: true };

function attach(hub: ReturnType<typeof freshHub>, change: Partial<HubAttachRequest> = {}) {
  const ask: HubAttachRequest = {
    requestId: uniqueId("req"),
    tenantId: "ten_a",
    keyId: "key_a",
    lastTokenIndex: -1,
    deadlineMs: Date.now() + 60_000,
    ...change,
  };
  return hub.fetch(HUB_ATTACH_URL, { method: "POST", body: JSON.stringify(ask) });
}

const steps = (id: string, texts: readonly string[]): StepFrame => {
  const deltas = texts.map((text, from) => ({ id, from, n: 1, text }));
  return { type: "step", step: 1, deltas };
};

const notFound = (id: string) =>
  ({ type: "refuse", id, status: 404, code: "not_found", message: "no", param: null }) as const;

describe("a client that comes back", () => {
  it("gets the rest of the answer from the node that has it, in the stream's own form", async () => {
    const hub = freshHub();
    const nodes = [
      await TestNode.link(hub, "node-a", RESUMES),
      await TestNode.link(hub, "node-b", RESUMES),
    ];
    const request = hubRequest({ requestId: "req_back" });
    const body = { ...request.body, stream_options: { include_usage: true } };
    const answer = attach(hub, { requestId: "req_back", lastTokenIndex: 1 });
    for (const node of nodes) {
      expect(await node.next("attach")).toMatchObject({ id: "req_back", tenant_id: "ten_a" });
    }
    nodes[0]?.send(notFound("req_back"));
    const form = formText({ ...request, body }, 1);
    const facts = { id: "req_back", model: "tiny", prompt_tokens: 10, form };
    nodes[1]?.send({ type: "attached", ...facts });
    nodes[1]?.send(steps("req_back", ["A", "B", "C"]));
    nodes[1]?.done("req_back", 3);
    const response = await answer;
    expect(response.status).toBe(200);
    const text = await response.text();
    expect([...text.matchAll(/"content":"([A-C])"/g)].map(([, one]) => one)).toEqual(["C"]);
    expect(text).toContain("id: 2\n");
    expect(text).not.toContain('"role"');
    expect(text).toContain('"id":"chatcmpl-req_back"');
    expect(text).toContain('"created":1793491200');
    expect(text).toContain('"completion_tokens":3');
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  });

  it("goes on with the events of a response where they ended", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a", RESUMES);
    const parsed = parseResponseRequest({ input: "Hi", metadata: { a: "b" } });
    if (!parsed.ok) throw new Error(parsed.error.message);
    const echo = responseEcho(parsed.value);
    const request = hubRequest({ answer: { kind: "response", echo, retain: true } });
    const answer = attach(hub, { requestId: "req_events", lastTokenIndex: 0 });
    await node.next("attach");
    const facts = { model: "tiny", prompt_tokens: 10, form: formText(request, 1) };
    node.send({ type: "attached", id: "req_events", ...facts });
    node.send(steps("req_events", ["A", "B"]));
    node.done("req_events", 2);
    const text = await (await answer).text();
    // After created, in_progress, the item, its part and the first delta, which the client has.
    expect(text).toMatch(
      /^event: response.output_text.delta\nid: 1\ndata: {"type":"response.output_text.delta","sequence_number":5,/,
    );
    expect(text).toContain('"text":"AB"');
    expect(text).toContain('"metadata":{"a":"b"}');
  });

  it("gets everything without a token, and only the end when it has all tokens", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a", RESUMES);
    const texts: string[] = [];
    for (const lastTokenIndex of [-1, 2]) {
      const requestId = uniqueId("req");
      const answer = attach(hub, { requestId, lastTokenIndex });
      await node.next("attach");
      const form = formText(hubRequest(), 1);
      node.send({ type: "attached", id: requestId, model: "tiny", prompt_tokens: 10, form });
      node.send(steps(requestId, ["A", "B", "C"]));
      node.done(requestId, 3);
      texts.push(await (await answer).text());
    }
    expect(texts[0]?.match(/^id: /gm)).toHaveLength(3);
    expect(texts[0]).toContain('"role":"assistant"');
    expect(texts[1]?.match(/^id: /gm)).toBeNull();
    expect(texts[1]).toContain('"finish_reason":"stop"');
  });

  it("is told 404 when no node has the answer, and waits for nodes that link again", async () => {
    const hub = freshHub();
    const lost = attach(hub, { requestId: "req_gone" });
    const node = await TestNode.link(hub, "node-a", RESUMES);
    expect(await node.next("attach")).toMatchObject({ id: "req_gone" });
    node.send(notFound("req_gone"));
    const response = await lost;
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { code: "not_found" } });
    // The hub is old enough now to wait for nobody; only the node's silence would end it otherwise, too late.
    const second = await TestNode.link(hub, "node-b", RESUMES);
    const unreadable = attach(hub, { requestId: "req_unreadable" });
    await second.next("attach");
    const facts = { id: "req_unreadable", model: "tiny", prompt_tokens: 10, form: "no form" };
    second.send({ type: "attached", ...facts });
    expect((await unreadable).status).toBe(404);
  }, 9_000);

  it("takes a running stream over, and another tenant does not", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a", RESUMES);
    const request = hubRequest();
    const { requestId } = request;
    const first = openStream(hub, request);
    const id = await node.accept();
    node.step(id, { from: 0, text: "A" });
    const firstBody = await first;
    const other = await attach(hub, { requestId, tenantId: "ten_b" });
    expect(other.status).toBe(404);
    const second = attach(hub, { requestId, lastTokenIndex: 0 });
    await node.next("attach");
    // On its way while the node was asked: no reason to stop the node.
    node.step(id, { from: 1, text: "B" });
    node.send({
      type: "attached",
      ...{ id, model: "tiny", prompt_tokens: 10, form: formText(request, 1) },
    });
    node.send(steps(id, ["A", "B"]));
    node.done(id, 2);
    expect(await firstBody.text()).toContain('"code":"client_closed_request"');
    const text = await (await second).text();
    expect(text).toContain('"content":"B"');
    expect(text).not.toContain('"content":"A"');
    expect(node.waiting("cancel")).toEqual([]);
  });
});
