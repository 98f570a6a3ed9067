// POST /v1/messages and its neighbours against a scripted account and hub: what is asked of them, and the shape of errors.
import { describe, expect, it } from "vitest";
import { RATES, scriptedEdge, scriptedKey } from "../../test/scripted-edge.ts";

const body = { model: "m", max_tokens: 5, messages: [{ role: "user", content: "Hi" }] };

function post(sent: unknown, headers: Record<string, string> = {}): RequestInit {
  return { method: "POST", body: JSON.stringify(sent), headers };
}

describe("POST /v1/messages", () => {
  it("asks the hub for a chat, answered as a message, under a key in either header", async () => {
    const completion = { id: "msg_1" } as never;
    const edge = scriptedEdge({ complete: () => Promise.resolve({ ok: true, completion }) });
    const key = await scriptedKey();
    const version = { "anthropic-version": "2023-06-01" };
    const response = await edge.send("/v1/messages", post(body, { "x-api-key": key, ...version }));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ id: "msg_1" });
    expect(response.headers.get("request-id")).toBe(response.headers.get("x-request-id"));
    expect(edge.asked.hubRequests).toMatchObject([
      {
        answer: { kind: "message" },
        body: {
          model: "m",
          max_completion_tokens: 5,
          messages: [{ role: "user", content: "Hi" }],
        },
      },
    ]);
    expect(edge.asked.admits[0]).toMatchObject({ wanted: { model: "m" } });
    // The text, and what a template adds to it and to a request.
    expect(edge.asked.admits[0]?.hold).toMatchObject({
      promptTokensMax: 2 + 16 + 64,
      outputTokensMax: 5,
    });
  });

  it("tells every error in Anthropic's shape, also those of the hub's stream", async () => {
    const refused = { error: { message: "Full.", type: "t", param: null, code: "overloaded" } };
    const stream = () =>
      Promise.resolve(Response.json(refused, { status: 503, headers: { "retry-after": "1" } }));
    const edge = scriptedEdge({ stream });
    const full = await edge.send("/v1/messages", post({ ...body, stream: true }));
    expect(full.status).toBe(503);
    expect(full.headers.get("retry-after")).toBe("1");
    const requestId = full.headers.get("request-id");
    expect(await full.json()).toEqual({
      type: "error",
      error: {
        type: "overloaded_error",
        message: "Full.",
        details: { error_code: "overloaded", param: null },
      },
      request_id: requestId,
    });
    const forged = await edge.send("/v1/messages", post(body, { authorization: "Bearer fl1_no" }));
    expect(forged.status).toBe(401);
    expect(await forged.json()).toMatchObject({ error: { type: "authentication_error" } });
    const strange = await edge.send("/v1/messages", post(body, { "anthropic-version": "new" }));
    expect(await strange.json()).toMatchObject({
      error: { type: "invalid_request_error", details: { param: "anthropic-version" } },
    });
    // A mistake takes no hold.
    expect(edge.asked.admits.at(-1)?.hold).toBeNull();
    expect(strange.headers.get("x-ratelimit-limit-requests")).toBe(String(RATES.limitRequests));
  });
});

describe("POST /v1/messages/count_tokens", () => {
  const { max_tokens: _, ...prompt } = body;

  it("is admitted without a hold and answers the node's number", async () => {
    const edge = scriptedEdge({
      countTokens: () => Promise.resolve({ ok: true, promptTokens: 9 }),
    });
    const response = await edge.send("/v1/messages/count_tokens", post(prompt));
    expect(await response.json()).toEqual({ input_tokens: 9 });
    expect(edge.asked.admits[0]?.hold).toBeNull();
    expect(edge.asked.countRequests).toMatchObject([
      { endpoint: "count_tokens", body: { model: "m" } },
    ]);
  });

  it("tells of a hub that was lost", async () => {
    const response = await scriptedEdge().send("/v1/messages/count_tokens", post(prompt));
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({
      error: { type: "api_error", details: { error_code: "upstream_error" } },
    });
  });
});
