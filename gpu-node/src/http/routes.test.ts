// Shows what every route answers, and OpenAI's error shape for every kind of bad request.
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LETTER_MODEL } from "../stream/testing/letter-model.ts";
import { ScriptedNode } from "./testing/scripted-node.ts";

let node: ScriptedNode;

beforeEach(async () => {
  node = await new ScriptedNode({ runs: true }).start();
});
afterEach(() => node[Symbol.asyncDispose]());

async function errorOf(response: Response) {
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  return { status: response.status, ...error };
}

const BAD_BODIES: [
  name: string,
  body: object | string,
  status: number,
  code: string,
  param: string | null,
][] = [
  ["malformed JSON", "{", 400, "invalid_json", null],
  ["an empty body", "", 400, "invalid_json", null],
  ["a body that is no object", "[1]", 400, "invalid_type", null],
  ["no messages", "{}", 400, "missing_required_parameter", "messages"],
  ["empty messages", { messages: [] }, 400, "empty_array", "messages"],
  ["messages of a wrong type", { messages: "hello" }, 400, "invalid_type", "messages"],
  [
    "a wrong role",
    { messages: [{ role: "robot", content: "x" }] },
    400,
    "invalid_value",
    "messages[0].role",
  ],
  ["a wrong type", { temperature: "hot" }, 400, "invalid_type", "temperature"],
  ["an unknown field", { temprature: 1 }, 400, "unknown_parameter", "temprature"],
  [
    "a field that is not served yet",
    { functions: [{}] },
    400,
    "unsupported_parameter",
    "functions",
  ],
  ["max_tokens 0", { max_tokens: 0 }, 400, "integer_below_min_value", "max_tokens"],
  [
    "max_tokens out of range",
    { max_tokens: 2_000_000 },
    400,
    "integer_above_max_value",
    "max_tokens",
  ],
  ["max_tokens beyond the context", { max_tokens: 64 }, 400, "context_length_exceeded", "messages"],
  [
    "a prompt beyond the context",
    { messages: [{ role: "user", content: "x".repeat(65) }] },
    400,
    "context_length_exceeded",
    "messages",
  ],
  [
    "a temperature out of range",
    { temperature: 2.5 },
    400,
    "decimal_above_max_value",
    "temperature",
  ],
  ["an unknown model", { model: "gpt-4o" }, 404, "model_not_found", "model"],
];

describe("the node's HTTP routes", () => {
  it.each(BAD_BODIES)("refuses %s", async (_, body, status, code, param) => {
    const messages = [{ role: "user", content: "hello" }];
    const whole = typeof body === "string" ? body : JSON.stringify({ messages, ...body });
    const response = await node.post(whole);
    expect(await errorOf(response)).toMatchObject({ status, code, param });
    expect(response.headers.get("x-request-id")).toMatch(/^req_[0-9a-z]{26}$/);
    expect(node.engine.submitted).toEqual([]);
  });

  it("answers a chat completion", async () => {
    const response = await node.chat({ max_tokens: 3 });
    const requestId = response.headers.get("x-request-id");
    expect(await response.json()).toEqual({
      id: `chatcmpl-${requestId}`,
      object: "chat.completion",
      created: expect.any(Number) as number,
      model: "letters",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "abc", refusal: null },
          logprobs: null,
          finish_reason: "length",
        },
      ],
      usage: {
        prompt_tokens: 5,
        completion_tokens: 3,
        total_tokens: 8,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    });
  });

  it("refuses a body that is not UTF-8", async () => {
    const bytes = Buffer.from('{"messages":[{"role":"user","content":"?"}]}');
    bytes[bytes.indexOf("?")] = 0xff;
    expect(await errorOf(await node.post(new Uint8Array(bytes)))).toMatchObject({
      status: 400,
      code: "invalid_json",
      message: "The body is not valid UTF-8.",
    });
  });

  it("refuses a compressed body", async () => {
    const response = await node.post("x", { headers: { "content-encoding": "gzip" } });
    expect(await errorOf(response)).toMatchObject({ status: 400, code: "invalid_json" });
  });

  it("refuses a body over the bound, declared or not, and lets the client read why", async () => {
    const large = new Uint8Array(4 * 1024 * 1024 + 1).fill(32);
    expect(await errorOf(await node.post(large))).toMatchObject({
      status: 413,
      code: "request_too_large",
    });
    const stream = new Blob([large]).stream();
    const undeclared = { body: stream, duplex: "half" } as RequestInit;
    expect(await errorOf(await node.post("", undeclared))).toMatchObject({ status: 413 });
  });

  it("repeats no part of the body in an error", async () => {
    const response = await node.post('{"messages": "the secret prompt" oops}');
    expect(await response.text()).not.toContain("secret");
  });

  it("lists the model and answers for it by id", async () => {
    const card = {
      id: "letters",
      object: "model",
      created: 1_700_000_000,
      owned_by: "fairlane",
      context_length: 64,
      default_max_output_tokens: 16,
    };
    const list = await fetch(`${node.url}/v1/models`);
    expect(await list.json()).toEqual({ object: "list", data: [card] });
    expect(await (await fetch(`${node.url}/v1/models/letters`)).json()).toEqual(card);
    expect(await errorOf(await fetch(`${node.url}/v1/models/other`))).toMatchObject({
      status: 404,
      code: "model_not_found",
    });
  });

  it("answers 404 for unknown routes and 405 for wrong methods", async () => {
    for (const path of ["/", "/v1", "/v1/models/", "/v1/models/%ff", "/v1/embedding"]) {
      const response = await fetch(node.url + path);
      expect(await errorOf(response), path).toMatchObject({ status: 404, code: "not_found" });
    }
    const wrong = await fetch(`${node.url}/v1/chat/completions?x=1`);
    expect(wrong.headers.get("allow")).toBe("POST");
    expect(await errorOf(wrong)).toMatchObject({ status: 405, code: "method_not_allowed" });
    const head = await fetch(`${node.url}/health`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  it("echoes a client's request id beside its own", async () => {
    const headers = { "x-client-request-id": "mine-1" };
    const response = await fetch(`${node.url}/health`, { headers });
    expect(response.headers.get("x-client-request-id")).toBe("mine-1");
    expect(response.headers.get("x-request-id")).toMatch(/^req_/);
  });

  it("says in /ready why no work is taken, and refuses work with 503", async () => {
    const ready = async () => (await fetch(`${node.url}/ready`)).json();
    expect(await ready()).toEqual({ status: "ready" });
    node.readiness.stuck(true);
    expect(await ready()).toMatchObject({ status: "not_ready", reason: "stuck" });
    const refused = await node.chat({});
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(await errorOf(refused)).toMatchObject({ status: 503, code: "overloaded" });
    node.readiness.stuck(false);
    node.journalFull = "too many records";
    expect(await ready()).toMatchObject({ reason: "journal_full", detail: "too many records" });
    expect((await node.chat({ max_tokens: 1 })).status).toBe(200);
    node.readiness.drain();
    expect(await ready()).toMatchObject({ reason: "draining" });
    expect(await errorOf(await node.chat({}))).toMatchObject({ status: 503, code: "draining" });
    expect((await fetch(`${node.url}/health`)).status).toBe(200);
    node.readiness.fail("the engine failed");
    expect(await ready()).toMatchObject({ reason: "failed" });
    expect((await fetch(`${node.url}/health`)).status).toBe(503);
  });

  it("counts requests and tokens for Prometheus", async () => {
    await (await node.chat({ max_tokens: 3 })).text();
    const metrics = await fetch(`${node.url}/metrics`);
    expect(metrics.headers.get("content-type")).toContain("text/plain; version=0.0.4");
    const lines = (await metrics.text()).split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        'fairlane_node_requests_total{reason="length"} 1',
        'fairlane_node_tokens_total{kind="computed_prompt"} 5',
        'fairlane_node_tokens_total{kind="output"} 3',
        "fairlane_node_ttft_seconds_count 1",
        "fairlane_node_tbt_seconds_count 2",
        "fairlane_node_live_requests 0",
        "fairlane_node_ready 1",
      ]),
    );
  });

  it("wants the API key on /v1 routes only when one is set", async () => {
    await using locked = await new ScriptedNode({ apiKey: "s3cret", runs: true }).start();
    for (const authorization of [undefined, "s3cret", "Bearer wrong", "Bearer ", "Basic s3cret"]) {
      const init = authorization === undefined ? {} : { headers: { authorization } };
      const response = await fetch(`${locked.url}/v1/models`, init);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
      expect(await errorOf(response)).toMatchObject({ status: 401, code: "invalid_api_key" });
    }
    for (const path of ["/v1/load_lora_adapter", "/v1/unload_lora_adapter"]) {
      const response = await fetch(`${locked.url}${path}`, { method: "POST", body: "{}" });
      expect(await errorOf(response)).toMatchObject({ status: 401, code: "invalid_api_key" });
    }
    const headers = { authorization: "Bearer s3cret" };
    expect((await locked.chat({ max_tokens: 1 }, { headers })).status).toBe(200);
    expect((await fetch(`${locked.url}/health`)).status).toBe(200);
  });

  it("answers a bug with 500, logs its place and not its message", async () => {
    const model = {
      ...LETTER_MODEL,
      encodeChat: () => Promise.reject(new TypeError("prompt text")),
    };
    await using broken = await new ScriptedNode({ model }).start();
    expect(await errorOf(await broken.chat({}))).toMatchObject({
      status: 500,
      code: "internal_error",
    });
    expect(broken.logged).toHaveLength(1);
    expect(broken.logged[0]?.fields["fault"]).toBe("TypeError");
    expect(JSON.stringify(broken.logged)).not.toContain("prompt text");
  });

  it("survives clients that send nonsense or leave in the middle of a body", async () => {
    const { port, hostname } = new URL(node.url);
    const nonsense = connect(Number(port), hostname);
    nonsense.write("BLAH\r\n\r\n");
    const [answer] = (await once(nonsense, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 400/);
    nonsense.destroy();
    const leaving = connect(Number(port), hostname);
    leaving.write("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{");
    leaving.destroy();
    expect((await node.chat({ max_tokens: 1 })).status).toBe(200);
    expect(node.logged).toEqual([]);
  });
});
