// A chat request through the edge script, the real hub and a scripted node on the link: answers, refusals, limits
// and the ledger.
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { asAdmin, chat, codeOf, newTenant, send } from "../../test/live-edge.ts";
import {
  answerWith,
  linkNode,
  MODEL,
  refuseTooLong,
  type Answer,
  type WireNode,
} from "../../test/wire-node.ts";

const MESSAGES = [{ role: "user", content: "Say hi." }];
const nodes: WireNode[] = [];
let nodeCount = 0;

async function node(answer: Answer): Promise<WireNode> {
  nodeCount += 1;
  const linked = await linkNode(`node-${nodeCount}`, answer);
  nodes.push(linked);
  return linked;
}

afterEach(async () => {
  for (const linked of nodes.splice(0)) linked.close();
  // The next test links its own node: until the hub has noticed, the old one would be chosen.
  const { key } = await newTenant();
  const models = async () => {
    const response = await send("GET", "/v1/models", { credential: key });
    return (await response.json<{ data: unknown[] }>()).data.length;
  };
  await expect.poll(models, { timeout: 10_000 }).toBe(0);
});

/** The data of every event of a stream. */
async function eventsOf(response: Response): Promise<string[]> {
  const lines = (await response.text()).split("\n");
  return lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
}

interface Chunk {
  readonly id: string;
  readonly model: string;
  readonly choices: readonly { delta: { content?: string }; finish_reason: string | null }[];
  readonly usage?: unknown;
}

describe("a chat request", () => {
  it("is answered as one JSON body", async () => {
    const { submitted } = await node(answerWith(["Hi", " there", "."]));
    const { key, tenantId, keyId, projectId } = await newTenant({ weight: 7 });
    const response = await chat(key, { messages: MESSAGES, max_tokens: 10 });
    expect(response.status).toBe(200);
    const requestId = response.headers.get("x-request-id");
    expect(await response.json()).toEqual({
      id: `chatcmpl-${requestId}`,
      object: "chat.completion",
      created: expect.any(Number) as unknown,
      model: MODEL,
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Hi there.", refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: {
        prompt_tokens: 5,
        completion_tokens: 3,
        total_tokens: 8,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    });
    expect(submitted).toMatchObject([
      {
        id: requestId,
        attempt: 1,
        tenant_id: tenantId,
        project_id: projectId,
        key_id: keyId,
        tenant_salt: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
        weight: 7,
        tier: "interactive",
        price_version: "plan_01kb0000000000000000000001",
        body: { messages: MESSAGES, max_tokens: 10 },
      },
    ]);
  });

  it("is answered as a stream that ends with usage and [DONE]", async () => {
    await node(answerWith(["Hi", " there", "."]));
    const { key } = await newTenant();
    const response = await chat(key, {
      messages: MESSAGES,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(response.headers.get("x-ratelimit-remaining-requests")).toBe("599");
    const events = await eventsOf(response);
    expect(events.at(-1)).toBe("[DONE]");
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event) as Chunk);
    const ids = new Set(chunks.map((chunk) => chunk.id));
    expect(ids).toEqual(new Set([`chatcmpl-${response.headers.get("x-request-id")}`]));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe("Hi there.");
    expect(chunks.map((chunk) => chunk.choices[0]?.finish_reason ?? null)).toContain("stop");
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 },
    });
  });

  it.each([true, false])(
    "refused by the node (stream=%s) is a 400 before any 200",
    async (stream) => {
      await node(refuseTooLong);
      const { key } = await newTenant();
      const response = await chat(key, { messages: MESSAGES, stream });
      expect(response.status).toBe(400);
      expect(response.headers.get("x-ratelimit-limit-requests")).toBe("600");
      expect(await response.json()).toEqual({
        error: {
          message: "The prompt has 100 tokens, the context 64.",
          type: "invalid_request_error",
          param: "messages",
          code: "context_length_exceeded",
        },
      });
    },
  );

  it("that was refused gives its hold back", async () => {
    await node(refuseTooLong);
    const { key } = await newTenant({ parallel_requests: 1, tokens_per_minute: 2_000 });
    for (let index = 0; index < 4; index++) {
      const attempt = () => chat(key, { messages: MESSAGES, max_tokens: 1_800 });
      // The hold goes back after the answer: the next request may come first.
      await expect.poll(async () => (await attempt()).status, { timeout: 5_000 }).toBe(400);
    }
  });

  it("for a model that nobody serves is a 404", async () => {
    const { submitted } = await node(answerWith(["Hi"]));
    const { key } = await newTenant();
    const response = await chat(key, { messages: MESSAGES, model: "gpt-unknown" });
    expect(response.status).toBe(404);
    expect(await codeOf(response)).toBe("model_not_found");
    expect(submitted).toEqual([]);
  });

  it("is cancelled at the node when the client lets go of the stream", async () => {
    const linked = await node((request, push) => {
      push({ type: "accept", id: request.id, model: MODEL, prompt_tokens: 5 });
      push({ type: "step", step: 0, deltas: [{ id: request.id, from: 0, n: 1, text: "Hi" }] });
    });
    const { key } = await newTenant();
    const response = await chat(key, { messages: MESSAGES, stream: true });
    expect(response.status).toBe(200);
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    const requestId = response.headers.get("x-request-id");
    await expect.poll(() => linked.cancelled, { timeout: 10_000 }).toEqual([requestId]);
  });
});

describe("limits", () => {
  it("count down in the headers and refuse with 429", async () => {
    await node(answerWith(["Hi"]));
    const { key } = await newTenant({ requests_per_minute: 3, tokens_per_minute: 1_000_000 });
    const remaining: (string | null)[] = [];
    for (let index = 0; index < 3; index++) {
      const response = await chat(key, { messages: MESSAGES, max_tokens: 10 });
      expect(response.status).toBe(200);
      remaining.push(response.headers.get("x-ratelimit-remaining-requests"));
    }
    expect(remaining).toEqual(["2", "1", "0"]);
    const refused = await chat(key, { messages: MESSAGES, max_tokens: 10 });
    expect(refused.status).toBe(429);
    expect(await codeOf(refused)).toBe("rate_limit_requests");
    expect(refused.headers.get("x-ratelimit-remaining-requests")).toBe("0");
    expect(refused.headers.get("x-ratelimit-reset-requests")).toMatch(/^([0-9]+m)?[0-9.]+m?s$/);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(refused.headers.get("x-should-retry")).toBe("true");
  });

  it("of one tenant are not those of another", async () => {
    const [spent, fresh] = [await newTenant({ requests_per_minute: 1 }), await newTenant()];
    const models = (credential: string) => send("GET", "/v1/models", { credential });
    expect((await models(spent.key)).status).toBe(200);
    expect((await models(spent.key)).status).toBe(429);
    expect((await models(fresh.key)).status).toBe(200);
  });
});

describe("usage", () => {
  interface Usage {
    readonly tenant_id: string;
    readonly totals: Record<string, number>;
    readonly entries: readonly Record<string, unknown>[];
  }

  it("reaches the ledger once and is shown to its tenant and to the operator only", async () => {
    await node(answerWith(["Hi", " there", "."]));
    const [owner, other] = [await newTenant(), await newTenant()];
    const answer = await chat(owner.key, { messages: MESSAGES });
    expect(answer.status).toBe(200);
    const requestId = answer.headers.get("x-request-id");
    const usage = async (credential: string, query = "") => {
      const response = await send("GET", `/v1/fairlane/usage${query}`, { credential });
      expect(response.status).toBe(200);
      return response.json<Usage>();
    };
    await expect
      .poll(async () => (await usage(owner.key)).totals["entries"], { timeout: 10_000 })
      .toBe(1);
    const own = await usage(owner.key);
    // 5 * 0.10 USD + 3 * 0.40 USD per million tokens = 1,700 nano-USD.
    expect(own.totals).toEqual({
      entries: 1,
      prompt_tokens: 5,
      cached_tokens: 0,
      output_tokens: 3,
      cost_nano_usd: 1_700,
    });
    expect(own.entries).toMatchObject([
      {
        request_id: requestId,
        attempt: 1,
        entry_seq: 0,
        key_id: owner.keyId,
        model: MODEL,
        finish_reason: "stop",
        computed_prompt_tokens: 5,
        computed_output_tokens: 3,
        billed_nano_usd: 1_700,
      },
    ]);
    expect(own.entries[0]).not.toHaveProperty("node_id");
    expect((await usage(owner.key, `?request_id=${requestId}`)).entries).toHaveLength(1);
    expect((await usage(owner.key, "?request_id=req_other")).entries).toEqual([]);

    const theirs = await usage(other.key, `?request_id=${requestId}`);
    expect(theirs).toMatchObject({ tenant_id: other.tenantId, entries: [] });
    expect(theirs.totals["entries"]).toBe(0);

    const seen = await asAdmin("GET", `/tenants/${owner.tenantId}/usage`);
    expect(await seen.json()).toMatchObject({
      tenant_id: owner.tenantId,
      entries: [{ request_id: requestId, node_id: expect.stringMatching(/^node-/) as unknown }],
    });
    const { results } = await env.LEDGER_DB.prepare("SELECT tenant_id FROM ledger_entries").all();
    expect(results.filter((row) => row["tenant_id"] === owner.tenantId)).toHaveLength(1);
  });

  it("of a tenant that does not exist is a 404 for the operator", async () => {
    const response = await asAdmin("GET", "/tenants/ten_01jd0000000000000000000001/usage");
    expect(response.status).toBe(404);
  });
});
