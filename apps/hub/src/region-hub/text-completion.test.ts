import type { HubCompletionRequest } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { freshHub, hubRequest, openStream } from "../../test/hub-request.ts";
import { MODEL, TestNode } from "../../test/test-node.ts";

const COMPLETES = { models: [{ ...MODEL, endpoints: ["completions"] }] };

function completionRequest(
  requestId: string,
  body: Partial<HubCompletionRequest["body"]> = {},
): HubCompletionRequest {
  const request = { ...hubRequest(), requestId, endpoint: "completions" } as const;
  return { ...request, body: { prompt: "Hi", ...body } };
}

describe("a completion request", () => {
  it("goes out as one and comes back in one body, prompt by prompt", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a", COMPLETES);
    const body = { prompt: ["Hi", "Ho"], logprobs: 0 };
    const outcome = hub.complete(completionRequest("req_two", body));
    const { requests } = await node.next("submit");
    expect(requests).toMatchObject([{ id: "req_two", endpoint: "completions", body }]);
    const id = "req_two";
    node.send({ type: "accept", id, model: "tiny", prompt_tokens: 7 });
    const logprobs = [{ token: " a", logprob: -1, bytes: [32, 97], top_logprobs: [] }];
    node.step(id, { from: 0, choice: 1, text: " b" });
    node.step(id, { from: 0, choice: 0, text: " a", logprobs });
    const ends = [{ id, choice: 1, finish_reason: "length" as const }];
    node.send({ type: "step", step: 2, deltas: [], ends });
    node.done(id, 2);
    const lists = {
      tokens: [" a"],
      token_logprobs: [-1],
      top_logprobs: [{}],
      text_offset: [0],
    };
    expect(await outcome).toMatchObject({
      ok: true,
      completion: {
        id: "cmpl-req_two",
        object: "text_completion",
        choices: [
          { text: " a", index: 0, logprobs: lists, finish_reason: "stop" },
          { text: " b", index: 1, logprobs: null, finish_reason: "length" },
        ],
        usage: { completion_tokens: 2 },
      },
    });
  });

  it("streams text chunks, with no chunk of a role before them, literally", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a", COMPLETES);
    const answer = openStream(hub, completionRequest("req_text", { stream: true }));
    const id = await node.accept();
    const response = await answer;
    expect(response.status).toBe(200);
    node.step(id, { from: 0, text: ' "x"' });
    node.done(id, 1);
    const head =
      '"id":"cmpl-req_text","object":"text_completion","created":1793491200,"model":"tiny"';
    const choice = (text: string, finish: string): string =>
      `"choices":[{"text":${text},"index":0,"logprobs":null,"finish_reason":${finish}}]`;
    expect(await response.text()).toBe(
      [
        `id: 0\ndata: {${head},${choice('" \\"x\\""', "null")}}`,
        `data: {${head},${choice('""', '"stop"')}}`,
        "data: [DONE]",
        "",
      ].join("\n\n"),
    );
  });

  it("never goes to a node that does not say it serves them", async () => {
    const hub = freshHub();
    await TestNode.link(hub, "node-old");
    expect(await hub.complete(completionRequest("req_old"))).toMatchObject({
      ok: false,
      error: { code: "model_not_found" },
      accepted: false,
    });
  });
});
