// Drives tools through the official SDK against a real node (native engine, tiny random model): forced calls are valid
// whatever the model would say, streamed or not.
import { Ajv } from "ajv";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HAS_NATIVE_CORE, TinyNode } from "../testing/tiny-node.ts";

// Short, since the tiny model's context is, and nearly each character a token.
const PARAMETERS = {
  type: "object",
  properties: { city: { enum: ["Bonn", "Köln"] } },
  required: ["city"],
};
const TOOLS: OpenAI.ChatCompletionFunctionTool[] = [
  { type: "function", function: { name: "sun", parameters: PARAMETERS } },
  { type: "function", function: { name: "now" } },
];
const FORMATS = ["hermes", "llama3", "mistral"];

describe.skipIf(!HAS_NATIVE_CORE)("tool calls", () => {
  let nodes: TinyNode[];

  beforeAll(async () => {
    nodes = [];
    for (const format of FORMATS) {
      nodes.push(await TinyNode.start(["--max-running", "4", "--tool-call-format", format]));
    }
  });
  afterAll(async () => {
    for (const node of nodes) await node[Symbol.asyncDispose]();
  });

  function clientOf(format: string) {
    const node = nodes[FORMATS.indexOf(format)];
    if (node === undefined) throw new Error(`no node for ${format}`);
    return new OpenAI({ baseURL: `${node.url}/v1`, apiKey: "unused", maxRetries: 0 });
  }

  function ask(more: Partial<OpenAI.ChatCompletionCreateParams> = {}) {
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "x" }];
    return {
      model: "tiny-llama",
      messages,
      temperature: 0,
      tools: TOOLS,
      max_completion_tokens: 140,
      ...more,
    };
  }

  async function modelOf(client: OpenAI): Promise<string> {
    return (await client.models.list()).data[0]?.id ?? "";
  }

  it.each(FORMATS)("makes a valid call of the named tool in the format of %s", async (format) => {
    const client = clientOf(format);
    const tool_choice = { type: "function" as const, function: { name: "sun" } };
    const base = { ...ask({ tool_choice }), model: await modelOf(client) };
    const whole = await client.chat.completions.create({ ...base, stream: false });
    const [choice] = whole.choices;
    expect([choice?.finish_reason, choice?.message.content]).toEqual(["tool_calls", null]);
    const [call, ...others] = choice?.message.tool_calls ?? [];
    if (call?.type !== "function") throw new Error("no call");
    expect([others.length, call.function.name]).toEqual([0, "sun"]);
    expect(call.id).toMatch(format === "mistral" ? /^\w{9}$/ : /^call_\w{24}$/);
    expect(new Ajv().validate(PARAMETERS, JSON.parse(call.function.arguments))).toBe(true);

    const runner = client.chat.completions.stream({ ...base, stream: true });
    const streamed = await runner.finalChatCompletion();
    const [again] = streamed.choices;
    expect(again?.finish_reason).toBe("tool_calls");
    expect(again?.message.content ?? "").toBe("");
    const [sameCall] = again?.message.tool_calls ?? [];
    if (sameCall?.type !== "function") throw new Error("no call");
    expect(sameCall.function.arguments).toBe(call.function.arguments);
  });

  it("makes some call when one is required, several with their own ids", async () => {
    const client = clientOf("hermes");
    const base = {
      ...ask({ tool_choice: "required", tools: TOOLS.slice(1) }),
      model: await modelOf(client),
    };
    const ids = new Set<string>();
    for (let seed = 0; seed < 8; seed++) {
      const answer = await client.chat.completions.create({
        ...base,
        stream: false,
        temperature: 1.5,
        seed,
      });
      const [choice] = answer.choices;
      const calls = choice?.message.tool_calls ?? [];
      if (choice?.finish_reason === "length") continue;
      expect(calls.length).toBeGreaterThan(0);
      for (const call of calls) {
        if (call.type !== "function") throw new Error("no function");
        expect(call.function.name).toBe("now");
        JSON.parse(call.function.arguments);
        ids.add(call.id);
      }
    }
    expect(ids.size).toBeGreaterThan(4);
  });

  it("calls nothing when it must not, and says text when it may", async () => {
    const client = clientOf("hermes");
    const model = await modelOf(client);
    for (const tool_choice of ["none", "auto"] as const) {
      const answer = await client.chat.completions.create({
        ...ask({ tool_choice, max_completion_tokens: 12 }),
        model,
        stream: false,
      });
      const [choice] = answer.choices;
      expect(choice?.message.tool_calls).toBeUndefined();
      expect(choice?.message.content).not.toBeNull();
    }
  });

  it("goes on after a call and its result, which come back as they were given", async () => {
    const client = clientOf("hermes");
    const model = await modelOf(client);
    const first = await client.chat.completions.create({
      ...ask({ tool_choice: "required", tools: TOOLS.slice(1), parallel_tool_calls: false }),
      model,
      stream: false,
    });
    const message = first.choices[0]?.message;
    const id = message?.tool_calls?.[0]?.id ?? "";
    if (message === undefined) throw new Error("no message");
    const messages = [
      ...ask().messages,
      message,
      { role: "tool" as const, tool_call_id: id, content: "sunny" },
    ];
    const second = await client.chat.completions.create({
      ...ask({ messages, tools: TOOLS.slice(1), max_completion_tokens: 5 }),
      model,
      stream: false,
    });
    expect(second.usage?.prompt_tokens).toBeGreaterThan(first.usage?.prompt_tokens ?? 0);
  });

  it("gives several answers their own calls", async () => {
    const client = clientOf("hermes");
    const model = await modelOf(client);
    const tool_choice = { type: "function" as const, function: { name: "now" } };
    const answer = await client.chat.completions.create({
      ...ask({ tool_choice, n: 2 }),
      model,
      stream: false,
    });
    const calls = answer.choices.map(({ message }) => message.tool_calls?.[0]);
    expect(calls.map((call) => call?.type === "function" && call.function.name)).toEqual([
      "now",
      "now",
    ]);
    expect(calls[0]?.id).not.toBe(calls[1]?.id);
  });

  it("refuses a strict tool that it cannot hold to", async () => {
    const client = clientOf("hermes");
    const parameters = {
      type: "object",
      properties: { a: { type: "string", contentEncoding: "base64" } },
    };
    const tools: OpenAI.ChatCompletionFunctionTool[] = [
      { type: "function", function: { name: "t", parameters, strict: true } },
    ];
    const refused = await client.chat.completions
      .create({ ...ask({ tools }), model: await modelOf(client), stream: false })
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ status: 400, code: "unsupported_schema", param: "tools" });
    expect(String(refused)).toContain("at 't/properties/a': keyword 'contentEncoding'");
  });
});
