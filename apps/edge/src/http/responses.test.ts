// POST /v1/responses and what is stored of it against a scripted account and hub and a real bucket: what is asked, what
// is kept, and for whom.
import { RetainedStore } from "@fairlane/db";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import {
  ADMITTED,
  NOW_MS,
  scriptedEdge,
  TENANT_ID,
  type Script,
} from "../../test/scripted-edge.ts";

const RESPONSE = {
  object: "response",
  output: [
    {
      type: "message",
      role: "assistant",
      id: "m_1",
      status: "completed",
      content: [{ type: "output_text", text: "Hello", annotations: [], logprobs: [] }],
    },
  ],
};
const store = new RetainedStore({
  bucket: env.RETAINED,
  tenantId: TENANT_ID,
  key: "cd".repeat(32),
  random: { fill: (target) => crypto.getRandomValues(target) },
});
const life = { nowMs: NOW_MS, ttlMs: 60_000 };

function post(body: unknown): RequestInit {
  return { method: "POST", body: JSON.stringify(body) };
}

function answering(script: Script = {}) {
  const completion = RESPONSE as never;
  return scriptedEdge({ complete: () => Promise.resolve({ ok: true, completion }), ...script });
}

let count = 0;
/** A stored response of this project. */
async function stored(projectId: string, tokensMax = 0): Promise<string> {
  count += 1;
  const id = `resp_01m7zpbwaapqy72a65642vt${String(count).padStart(3, "0")}`;
  const input = { projectId, input: [{ role: "user", content: "Hi" }], earlier: [] };
  const put = (part: string, value: object) =>
    store.put({ kind: "response", id: `${id}-${part}` }, JSON.stringify(value), {
      ...life,
      tokensMax,
    });
  await put("input", input);
  await put("answer", { projectId, response: { ...RESPONSE, id } });
  return id;
}

const OWN = ADMITTED.ok ? ADMITTED.principal.projectId : "";

describe("POST /v1/responses", () => {
  it("asks the hub for a chat that is kept, and keeps the input beside it", async () => {
    const edge = answering();
    const response = await edge.send("/v1/responses", post({ input: "Hi", model: "m" }));
    expect(response.status).toBe(200);
    const [request] = edge.asked.hubRequests;
    expect(request).toMatchObject({
      answer: { kind: "response", retain: true, echo: { store: true, temperature: 1 } },
      body: { model: "m", messages: [{ role: "user", content: "Hi" }] },
    });
    const name = `${request?.requestId.replace("req_", "resp_")}-input`;
    const kept = await store.get({ kind: "response", id: name }, NOW_MS);
    expect(JSON.parse(kept ?? "")).toEqual({
      projectId: OWN,
      input: [{ type: "message", role: "user", content: "Hi" }],
      earlier: [],
    });
  });

  it("keeps nothing of what is not to be stored, or was not answered", async () => {
    const before = (await env.RETAINED.list()).objects.length;
    const unstored = answering();
    expect((await unstored.send("/v1/responses", post({ input: "Hi", store: false }))).status).toBe(
      200,
    );
    expect(unstored.asked.hubRequests).toMatchObject([{ answer: { retain: false } }]);
    const error = { code: "context_length_exceeded", message: "Long.", param: "messages" } as const;
    const refusing = scriptedEdge({
      complete: () => Promise.resolve({ ok: false, error, accepted: false }),
    });
    const refused = await refusing.send("/v1/responses", post({ input: "Hi" }));
    // The client's own field.
    expect(await refused.json()).toMatchObject({ error: { param: "input" } });
    const stream = () =>
      Promise.resolve(
        Response.json(
          {
            error: {
              message: "Bad.",
              type: "t",
              param: "response_format.json_schema",
              code: "unsupported_schema",
            },
          },
          { status: 400 },
        ),
      );
    const streamed = await scriptedEdge({ stream }).send(
      "/v1/responses",
      post({ input: "Hi", stream: true }),
    );
    expect(streamed.status).toBe(400);
    expect(await streamed.json()).toMatchObject({ error: { param: "text.format.json_schema" } });
    expect((await env.RETAINED.list()).objects).toHaveLength(before);
  });

  it("goes on from what is stored, and holds for all of it", async () => {
    const id = await stored(OWN, 100);
    const edge = answering();
    await edge.send("/v1/responses", post({ input: "And?", previous_response_id: id }));
    expect(edge.asked.hubRequests[0]?.body).toMatchObject({
      messages: [
        { role: "user", content: "Hi" },
        { role: "assistant", content: "Hello" },
        { role: "user", content: "And?" },
      ],
    });
    // What is stored of both, the text, and what a template adds.
    expect(edge.asked.admits[0]?.hold?.promptTokensMax).toBe(200 + 4 + 16 + 64);
  });

  it("knows no response of another project", async () => {
    const id = await stored("prj_of_another");
    const edge = answering();
    const sent = { input: "And?", previous_response_id: id };
    const response = await edge.send("/v1/responses", post(sent));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: "previous_response_not_found" } });
    expect(edge.asked.hubRequests).toEqual([]);
    // It was admitted by the size alone, and nothing ran.
    expect(edge.asked.released).toEqual([edge.asked.admits[0]?.requestId]);
    for (const method of ["GET", "DELETE"]) {
      expect((await edge.send(`/v1/responses/${id}`, { method })).status).toBe(404);
    }
    const unknown = await edge.send("/v1/responses", post({ ...sent, previous_response_id: "x" }));
    expect(await unknown.json()).toMatchObject({ error: { code: "previous_response_not_found" } });
    expect(edge.asked.admits.at(-1)?.hold).toBeNull();
  });
});

describe("POST /v1/responses/input_tokens", () => {
  it("counts at a node what is stored before and what is sent, without a hold", async () => {
    const id = await stored(OWN);
    const edge = scriptedEdge({
      countTokens: () => Promise.resolve({ ok: true, promptTokens: 9 }),
    });
    const sent = { input: "And?", model: "m", previous_response_id: id, reasoning: null };
    const response = await edge.send("/v1/responses/input_tokens", post(sent));
    expect(await response.json()).toEqual({ object: "response.input_tokens", input_tokens: 9 });
    expect(edge.asked.admits[0]?.hold).toBeNull();
    const messages = [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello" },
      { role: "user", content: "And?" },
    ];
    expect(edge.asked.countRequests).toMatchObject([
      { endpoint: "count_tokens", body: { model: "m", messages } },
    ]);
  });

  it("names the client's own field, and knows no response of another project", async () => {
    const refuse = async (body: object) => {
      const response = await scriptedEdge().send("/v1/responses/input_tokens", post(body));
      return (await response.json<{ error: { code: string; param: string } }>()).error;
    };
    expect(await refuse({ input: "a", temperature: 1 })).toMatchObject({ param: "temperature" });
    expect(await refuse({ instructions: null })).toMatchObject({ param: "input" });
    expect(await refuse({ input: "a", personality: "friendly" })).toMatchObject({
      code: "unsupported_parameter",
    });
    const previous_response_id = await stored("prj_of_another");
    expect(await refuse({ input: "a", previous_response_id })).toMatchObject({
      code: "previous_response_not_found",
    });
  });
});

describe("/v1/responses/{id}", () => {
  it("gives the response and pages of its input", async () => {
    const id = await stored(OWN);
    const edge = answering();
    const got = await edge.send(`/v1/responses/${id}`);
    expect(await got.json()).toMatchObject({ id, object: "response" });
    const items = await edge.send(`/v1/responses/${id}/input_items?order=asc&limit=1`);
    const list = await items.json<{ data: { id: string }[] }>();
    expect(list).toMatchObject({ object: "list", has_more: false, data: [{ role: "user" }] });
    const after = await edge.send(`/v1/responses/${id}/input_items?after=${list.data[0]?.id}`);
    expect(await after.json()).toMatchObject({ data: [], has_more: false });
    const wrong = await edge.send(`/v1/responses/${id}/input_items?limit=0`);
    expect(await wrong.json()).toMatchObject({ error: { param: "limit" } });
    const lost = await edge.send(`/v1/responses/${id}/input_items?after=nothing`);
    expect(await lost.json()).toMatchObject({ error: { param: "after" } });
    expect((await edge.send(`/v1/responses/${id}?stream=true`)).status).toBe(400);
  });

  it("is gone with both of its parts once it is deleted", async () => {
    const id = await stored(OWN);
    const edge = answering();
    expect((await edge.send(`/v1/responses/${id}/cancel`, { method: "POST" })).status).toBe(400);
    const deleted = await edge.send(`/v1/responses/${id}`, { method: "DELETE" });
    expect(await deleted.json()).toEqual({ id, object: "response", deleted: true });
    expect((await edge.send(`/v1/responses/${id}`)).status).toBe(404);
    expect((await env.RETAINED.list({ prefix: `${TENANT_ID}/response/${id}` })).objects).toEqual(
      [],
    );
  });
});
