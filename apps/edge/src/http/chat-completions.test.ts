// E0..E5 against a scripted account and hub: what is asked of them, and what their failures become.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  ADMITTED,
  KEY_ID,
  NOW_MS,
  RATES,
  scriptedEdge,
  TENANT_ID,
} from "../../test/scripted-edge.ts";

const MESSAGES = [{ role: "user", content: "Say hi." }];
const COMPLETION = {
  id: "chatcmpl-req_1",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: "Hi.", refusal: null },
      logprobs: null,
      finish_reason: "stop",
    },
  ],
  usage: {
    prompt_tokens: 1,
    completion_tokens: 1,
    total_tokens: 2,
    prompt_tokens_details: { cached_tokens: 0 },
  },
} as const;
const completes = {
  complete: () => Promise.resolve({ ok: true, completion: COMPLETION } as const),
};

const streamOf = (text: string) =>
  new Response(text, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
    },
  });

const RATE_HEADERS = {
  "x-ratelimit-limit-requests": "600",
  "x-ratelimit-remaining-requests": "599",
  "x-ratelimit-reset-requests": "100ms",
  "x-ratelimit-limit-tokens": "1000000",
  "x-ratelimit-remaining-tokens": "997000",
  "x-ratelimit-reset-tokens": "6m0s",
};

const logged: string[] = [];
beforeEach(() => {
  logged.length = 0;
  vi.spyOn(console, "error").mockImplementation((line: string) => void logged.push(line));
});
afterEach(() => void vi.restoreAllMocks());

describe("POST /v1/chat/completions", () => {
  it("asks for admission once, with the bound of the request, and hands the rest to the hub", async () => {
    const edge = scriptedEdge(completes);
    const response = await edge.chat({ messages: MESSAGES, max_tokens: 10 });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(COMPLETION);

    const requestId = response.headers.get("x-request-id");
    expect(requestId).toMatch(/^req_[0-9a-hjkmnp-tv-z]{26}$/);
    expect(edge.asked.accounts).toEqual([TENANT_ID]);
    expect(edge.asked.admits).toEqual([
      {
        requestId,
        tenantId: TENANT_ID,
        keyId: KEY_ID,
        secretHash: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
        scope: "inference",
        // 64 + 16 + 7 bytes + 10; ten minutes, and half a minute more for the lease.
        hold: {
          promptTokensMax: 87,
          outputTokensMax: 10,
          answerCount: 1,
          isRenewable: true,
          model: null,
          leaseUntilMs: NOW_MS + 630_000,
        },
      },
    ]);
    expect(edge.asked.hubRequests).toEqual([
      {
        requestId,
        tenantId: TENANT_ID,
        projectId: "prj_01jd0000000000000000000003",
        keyId: KEY_ID,
        tenantSalt: "ab".repeat(32),
        weight: 3,
        tier: "interactive",
        priceVersion: "plan_01kb0000000000000000000001",
        createdMs: NOW_MS,
        deadlineMs: NOW_MS + 600_000,
        body: { messages: MESSAGES, max_tokens: 10 },
      },
    ]);
    expect(edge.asked.released).toEqual([]);
  });

  it("spreads requests over the shards of the region", async () => {
    const edge = scriptedEdge(completes);
    for (let index = 0; index < 24; index++) await edge.chat({ messages: MESSAGES });
    expect(new Set(edge.asked.hubs)).toEqual(new Set(["local:0", "local:1"]));
  });

  it("hands a stream on untouched, with the limits in its headers", async () => {
    const bytes = ': hb\n\ndata: {"choices":[]}\n\ndata: [DONE]\n\n';
    const edge = scriptedEdge({ stream: () => Promise.resolve(streamOf(bytes)) });
    const response = await edge.chat({ messages: MESSAGES, stream: true });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(bytes);
    expect(Object.fromEntries(response.headers)).toEqual({
      ...RATE_HEADERS,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
      "openai-version": "2020-10-01",
      "openai-processing-ms": "0",
      "x-request-id": edge.asked.hubRequests[0]?.requestId,
    });
    expect(edge.asked.released).toEqual([]);
  });

  it("tells the hub when the client lets go of a stream", async () => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(8)),
      cancel: () => void (cancelled = true),
    });
    const edge = scriptedEdge({ stream: () => Promise.resolve(new Response(body)) });
    const response = await edge.chat({ messages: MESSAGES, stream: true });
    await response.body?.cancel();
    expect(cancelled).toBe(true);
  });

  it("verifies the key and counts the request before it tells a mistake in the body", async () => {
    const edge = scriptedEdge();
    const response = await edge.chat({ messages: [] });
    expect(response.status).toBe(400);
    expect(Object.fromEntries(response.headers)).toMatchObject(RATE_HEADERS);
    expect(edge.asked.admits).toMatchObject([{ scope: "inference", hold: null }]);
    expect(edge.asked.hubRequests).toEqual([]);
    expect(edge.asked.released).toEqual([]);
  });

  it("prefers the refusal of the key to the mistake in the body", async () => {
    const error = { code: "invalid_api_key", message: "revoked yesterday", param: null } as const;
    const edge = scriptedEdge({ admit: () => Promise.resolve({ ok: false, error, rates: null }) });
    const response = await edge.chat("{");
    expect(response.status).toBe(401);
    expect(response.headers.get("x-ratelimit-limit-requests")).toBeNull();
  });

  it("refuses a body over the bound with 413", async () => {
    const edge = scriptedEdge();
    const response = await edge.chat({
      messages: [{ role: "user", content: "x".repeat(4_194_304) }],
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ error: { code: "request_too_large" } });
  });
});

describe("bad input", () => {
  const bytes = (...values: number[]) => new Uint8Array(values);
  const json = (body: unknown) => JSON.stringify(body);

  it.each([
    ["malformed JSON", '{"messages": [', 400, "invalid_json"],
    ["no body", "", 400, "invalid_json"],
    ["invalid UTF-8", bytes(0x7b, 0x22, 0xff, 0x22, 0x7d), 400, "invalid_json"],
    ["an array as the body", "[]", 400, "invalid_type"],
    ["a wrong type", json({ messages: "hi" }), 400, "invalid_type"],
    ["an unknown field", json({ messages: MESSAGES, tempreature: 1 }), 400, "unknown_parameter"],
    [
      "a field not served yet",
      json({ messages: MESSAGES, store: true }),
      400,
      "unsupported_parameter",
    ],
    ["no messages field", "{}", 400, "missing_required_parameter"],
    ["empty messages", json({ messages: [] }), 400, "empty_array"],
    ["max_tokens 0", json({ messages: MESSAGES, max_tokens: 0 }), 400, "integer_below_min_value"],
    [
      "max_tokens out of range",
      json({ messages: MESSAGES, max_tokens: 1_000_001 }),
      400,
      "integer_above_max_value",
    ],
    [
      "a temperature of 3",
      json({ messages: MESSAGES, temperature: 3 }),
      400,
      "integer_above_max_value",
    ],
  ])("%s is refused in OpenAI's shape", async (_, body, status, code) => {
    const edge = scriptedEdge();
    const response = await edge.send("/v1/chat/completions", { method: "POST", body });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code, type: "invalid_request_error" } });
    expect(Object.fromEntries(response.headers)).toMatchObject(RATE_HEADERS);
    expect(edge.asked.hubRequests).toEqual([]);
  });
});

describe("admission", () => {
  it("passes a refusal on with the limits", async () => {
    const error = {
      code: "rate_limit_tokens",
      message: "Too many tokens.",
      param: null,
      retryAfterMs: 1_200,
    } as const;
    const edge = scriptedEdge({ admit: () => Promise.resolve({ ok: false, error, rates: RATES }) });
    const response = await edge.chat({ messages: MESSAGES });
    expect(response.status).toBe(429);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      ...RATE_HEADERS,
      "retry-after": "2",
      "retry-after-ms": "1200",
      "x-should-retry": "true",
    });
    expect(edge.asked.hubRequests).toEqual([]);
  });

  it("fails closed when the account throws, and gives back what it may have held", async () => {
    const edge = scriptedEdge({ admit: () => Promise.reject(new Error("object was reset")) });
    const response = await edge.chat({ messages: MESSAGES });
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.json()).toMatchObject({ error: { code: "account_unavailable" } });
    expect(edge.asked.hubRequests).toEqual([]);
    expect(edge.asked.released).toEqual([response.headers.get("x-request-id")]);
  });

  it("survives an account that cannot even take the hold back", async () => {
    const fails = () => Promise.reject(new Error("object was reset"));
    const response = await scriptedEdge({ admit: fails, release: fails }).chat({
      messages: MESSAGES,
    });
    expect(response.status).toBe(503);
    expect(logged.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual([
      "admission_failed",
      "release_failed",
    ]);
  });

  it("answers a revoked key exactly like a forged one", async () => {
    const error = { code: "invalid_api_key", message: "revoked yesterday", param: null } as const;
    const edge = scriptedEdge({ admit: () => Promise.resolve({ ok: false, error, rates: null }) });
    const revoked = await edge.chat({ messages: MESSAGES });
    const forged = await edge.chat(
      { messages: MESSAGES },
      { headers: { authorization: "Bearer fl1_forged" } },
    );
    expect(await revoked.text()).toBe(await forged.text());
    const names = (response: Response) => [...response.headers.keys()].toSorted();
    expect(names(revoked)).toEqual(names(forged));
    expect(edge.asked.admits).toHaveLength(1);
  });
});

describe("a refusal by the hub", () => {
  const error = {
    code: "context_length_exceeded",
    message: "The prompt has 9,000 tokens.",
    param: "messages",
  } as const;

  it.each([false, true])("of a JSON request is told as it is, accepted=%s", async (accepted) => {
    const edge = scriptedEdge({ complete: () => Promise.resolve({ ok: false, error, accepted }) });
    const response = await edge.chat({ messages: MESSAGES });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      error: {
        message: "The prompt has 9,000 tokens.",
        type: "invalid_request_error",
        param: "messages",
        code: "context_length_exceeded",
      },
    });
    // Giving the hold back is the hub's.
    expect(edge.asked.released).toEqual([]);
  });

  it("of a stream is told as it is", async () => {
    const headers = { "retry-after": "1", "x-should-retry": "true" };
    const edge = scriptedEdge({
      stream: () => Promise.resolve(Response.json({ error }, { status: 503, headers })),
    });
    const response = await edge.chat({ messages: MESSAGES, stream: true });
    expect(response.status).toBe(503);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      ...RATE_HEADERS,
      "retry-after": "1",
      "x-should-retry": "true",
    });
    expect(edge.asked.released).toEqual([]);
  });

  it.each([true, false])(
    "that never came (stream=%s) is a 502 that keeps the hold: the request may have run",
    async (stream) => {
      const lost = () => Promise.reject(new Error("object was reset while it served 'Say hi.'"));
      const edge = scriptedEdge({ complete: lost, stream: lost });
      const response = await edge.chat({ messages: MESSAGES, stream });
      expect(response.status).toBe(502);
      expect(response.headers.get("x-should-retry")).toBe("true");
      expect(await response.json()).toMatchObject({ error: { code: "upstream_error" } });
      expect(edge.asked.released).toEqual([]);
      expect(logged).toHaveLength(1);
      expect(logged[0]).toContain(response.headers.get("x-request-id"));
      expect(logged[0]).not.toContain("Say hi.");
    },
  );
});

describe("an unexpected exception", () => {
  it("is a 500 with the request id and the headers of every answer", async () => {
    const broken = { ...ADMITTED, principal: undefined } as never;
    const edge = scriptedEdge({ admit: () => Promise.resolve(broken) });
    const response = await edge.chat({ messages: MESSAGES });
    const requestId = response.headers.get("x-request-id") ?? "none";
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({
      error: { code: "internal_error", message: expect.stringContaining(requestId) as unknown },
    });
    expect(Object.fromEntries(response.headers)).toMatchObject(RATE_HEADERS);
    expect(logged.join("")).toContain(requestId);
  });
});
