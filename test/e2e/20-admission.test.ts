// What admission and validation refuse, before anything is computed, and what the rate headers say.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Platform, type TestTenant } from "./platform/platform.ts";

let platform: Platform;
let tenant: TestTenant;
beforeAll(async () => {
  platform = await Platform.start();
  tenant = await platform.newTenant("admission", { requests_per_minute: 1_000 });
});
afterAll(() => platform[Symbol.asyncDispose]());

const messages = [{ role: "user" as const, content: "Say one word." }];

async function post(body: string | Uint8Array<ArrayBuffer>, apiKey = tenant.apiKey) {
  const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
  const url = `${platform.edge.edgeUrl}/v1/chat/completions`;
  const response = await fetch(url, { method: "POST", headers, body });
  const answer = (await response.json()) as { readonly error?: Record<string, unknown> };
  return { status: response.status, headers: response.headers, error: answer.error };
}

describe("admission", () => {
  it.each([
    ["malformed JSON", '{"messages": [', 400, "invalid_json", null],
    ["an array as body", "[]", 400, "invalid_type", null],
    ["no messages", "{}", 400, "missing_required_parameter", "messages"],
    ["empty messages", '{"messages":[]}', 400, "empty_array", "messages"],
    ["a wrong type", '{"messages":"hi"}', 400, "invalid_type", "messages"],
    [
      "a wrong role",
      '{"messages":[{"role":"robot","content":"x"}]}',
      400,
      "invalid_value",
      "messages[0].role",
    ],
    [
      "an unknown field",
      JSON.stringify({ messages, mesages: 1 }),
      400,
      "unknown_parameter",
      "mesages",
    ],
    [
      "a field not served yet",
      JSON.stringify({ messages, service_tier: "flex" }),
      400,
      "unsupported_parameter",
      "service_tier",
    ],
    [
      "max_tokens 0",
      JSON.stringify({ messages, max_tokens: 0 }),
      400,
      "integer_below_min_value",
      "max_tokens",
    ],
    [
      "temperature 2.5",
      JSON.stringify({ messages, temperature: 2.5 }),
      400,
      "decimal_above_max_value",
      "temperature",
    ],
    [
      "an unknown model",
      JSON.stringify({ messages, model: "gpt-9" }),
      404,
      "model_not_found",
      "model",
    ],
  ])("refuses %s", async (_name, body, status, code, param) => {
    const answer = await post(body);
    expect(answer.status).toBe(status);
    expect(answer.error).toMatchObject({ code, param });
    expect(answer.error?.["message"]).toMatch(/./);
    expect(answer.headers.get("x-request-id")).toMatch(/^req_/);
  });

  it("refuses a body that is not UTF-8", async () => {
    const bytes = new TextEncoder().encode('{"messages":[{"role":"user","content":"?"}]}');
    bytes[bytes.indexOf("?".charCodeAt(0))] = 0xff;
    expect(await post(bytes)).toMatchObject({ status: 400, error: { code: "invalid_json" } });
  });

  it("answers an over-long prompt with a 400 from the node, streamed or not, before any 200", async () => {
    const content = "word ".repeat(9_000);
    for (const stream of [true, false]) {
      const answer = await post(JSON.stringify({ messages: [{ role: "user", content }], stream }));
      expect(answer.status).toBe(400);
      expect(answer.error).toMatchObject({ code: "context_length_exceeded", param: "messages" });
    }
    const refused = platform.proxy.seen.filter((seen) => seen.type === "refuse");
    expect(refused.at(-1)?.frame).toMatchObject({ status: 400, code: "context_length_exceeded" });
  });

  it("counts down the rate headers, refuses past the limit and says when to come back", async () => {
    const limited = await platform.newTenant("limited", { requests_per_minute: 3 });
    const body = JSON.stringify({ messages, max_tokens: 1 });
    const remaining: (string | null)[] = [];
    for (let i = 0; i < 3; i++) {
      const answer = await post(body, limited.apiKey);
      expect(answer.status).toBe(200);
      expect(answer.headers.get("x-ratelimit-limit-requests")).toBe("3");
      remaining.push(answer.headers.get("x-ratelimit-remaining-requests"));
    }
    expect(remaining).toEqual(["2", "1", "0"]);
    const refused = await post(body, limited.apiKey);
    expect(refused.status).toBe(429);
    expect(refused.error).toMatchObject({
      type: "rate_limit_exceeded",
      code: "rate_limit_requests",
    });
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(refused.headers.get("x-ratelimit-remaining-requests")).toBe("0");
  });

  it("gives back the hold of a request that no node accepted", async () => {
    const single = await platform.newTenant("single", { parallel_requests: 1 });
    const refusedBody = JSON.stringify({ messages, model: "gpt-9" });
    for (let i = 0; i < 3; i++) expect((await post(refusedBody, single.apiKey)).status).toBe(404);
    const served = await post(JSON.stringify({ messages, max_tokens: 1 }), single.apiKey);
    expect(served.status).toBe(200);
  });
});
