// POST /v1/completions against a scripted account and hub: what is asked of them, and what comes back.
import { describe, expect, it } from "vitest";
import { NOW_MS, scriptedEdge, TENANT_ID } from "../../test/scripted-edge.ts";

const COMPLETION = {
  id: "cmpl-req_1",
  object: "text_completion",
  created: 1,
  model: "m",
  choices: [{ text: " there", index: 0, logprobs: null, finish_reason: "length" }],
  usage: {
    prompt_tokens: 1,
    completion_tokens: 1,
    total_tokens: 2,
    prompt_tokens_details: { cached_tokens: 0 },
  },
} as const;

function post(body: unknown): RequestInit {
  return { method: "POST", body: JSON.stringify(body) };
}

describe("POST /v1/completions", () => {
  it("holds what prompts and answers may take and hands on the hub's body", async () => {
    const edge = scriptedEdge({
      complete: () => Promise.resolve({ ok: true, completion: COMPLETION }),
    });
    const body = { prompt: ["hé", "b"], n: 2 };
    const response = await edge.send("/v1/completions", post(body));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(COMPLETION);
    // Bytes of both prompts and 16 around each; four answers of the default length.
    expect(edge.asked.admits[0]?.hold).toMatchObject({
      promptTokensMax: 3 + 1 + 32,
      outputTokensMax: 16,
      answerCount: 4,
    });
    expect(edge.asked.hubRequests).toMatchObject([
      { tenantId: TENANT_ID, createdMs: NOW_MS, endpoint: "completions", body },
    ]);
    expect(edge.asked.released).toEqual([]);
  });

  it("hands on the hub's stream", async () => {
    const headers = { "content-type": "text/event-stream" };
    const stream = () => Promise.resolve(new Response("data: [DONE]\n\n", { headers }));
    const edge = scriptedEdge({ stream });
    const response = await edge.send("/v1/completions", post({ prompt: [1, 2], stream: true }));
    expect(await response.text()).toBe("data: [DONE]\n\n");
    expect(edge.asked.hubRequests).toMatchObject([{ endpoint: "completions" }]);
    expect(edge.asked.admits[0]?.hold).toMatchObject({
      promptTokensMax: 2 + 16,
      outputTokensMax: 16,
    });
  });

  it("refuses mistakes after the key was verified, and tells what the hub refuses", async () => {
    const error = { code: "no_capacity", message: "none", param: null } as const;
    const edge = scriptedEdge({
      complete: () => Promise.resolve({ ok: false, error, accepted: false }),
    });
    const wrong = await edge.send("/v1/completions", post({ prompt: "a", echo: true }));
    expect(wrong.status).toBe(400);
    expect(await wrong.json()).toMatchObject({ error: { param: "echo" } });
    expect(edge.asked.admits[0]?.hold).toBeNull();
    const full = await edge.send("/v1/completions", post({ prompt: "a" }));
    expect(full.status).toBe(503);
    expect((await edge.send("/v1/completions")).status).toBe(405);
  });
});
