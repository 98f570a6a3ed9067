// Drives the real node (native engine, tiny model) with the official OpenAI SDK, as a user would.
import OpenAI, { APIUserAbortError, BadRequestError, NotFoundError } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HAS_NATIVE_CORE, TinyNode } from "../testing/tiny-node.ts";
import { until } from "./testing/scripted-node.ts";

type Params = OpenAI.ChatCompletionCreateParams;

describe.skipIf(!HAS_NATIVE_CORE)("the official SDK against a real node", () => {
  let tiny: TinyNode;
  let client: OpenAI;

  beforeAll(async () => {
    tiny = await TinyNode.start(["--max-running", "8"]);
    client = new OpenAI({ baseURL: `${tiny.url}/v1`, apiKey: "unused", maxRetries: 0 });
  });
  afterAll(() => tiny[Symbol.asyncDispose]());

  function ask(content: string, more: Partial<Params> = {}) {
    const model = tiny.node.model.id;
    const messages = [{ role: "user" as const, content }];
    return { model, messages, temperature: 0, max_completion_tokens: 12, ...more };
  }

  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`${tiny.url}/metrics`)).text();
    return Number(new RegExp(`^fairlane_node_${name} (\\S+)$`, "m").exec(text)?.[1]);
  }

  it("tells what its steps were made of and where their time went", async () => {
    await client.chat.completions.create({ ...ask("hello"), stream: false });
    // One reading: the step that was in flight when the answer ended is settled at any time.
    const text = await (await fetch(`${tiny.url}/metrics`)).text();
    const read = (name: string) =>
      Number(
        text
          .split("\n")
          .find((line) => line.startsWith(`fairlane_node_${name} `))
          ?.split(" ")[1],
      );
    expect(read("steps_total")).toBeGreaterThan(1);
    expect(read("step_budget_use_count")).toBe(read("steps_total"));
    expect(read('step_phase_seconds_count{phase="wait"}')).toBe(read("steps_total"));
    expect(read('step_phase_seconds_sum{phase="plan"}')).toBeGreaterThan(0);
    expect(read('step_tokens_total{kind="prefill"}')).toBeGreaterThan(0);
    expect(read("tbt_seconds_count")).toBeGreaterThan(0);
  });

  it("completes, and streams the same text token by token", async () => {
    const whole = await client.chat.completions.create({ ...ask("hello"), stream: false });
    const text = whole.choices[0]?.message.content ?? "";
    expect(whole.usage?.completion_tokens).toBeGreaterThan(0);
    const stream = await client.chat.completions.create({
      ...ask("hello"),
      stream: true,
      stream_options: { include_usage: true },
    });
    let streamed = "";
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      streamed += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    expect(streamed).toBe(text);
    expect(usage).toEqual(whole.usage);
  });

  it("answers concurrent requests in shared steps with the texts that each gets alone", async () => {
    const prompts = ["one", "two", "three", "four", "five", "six"];
    const complete = async (prompt: string) => {
      const answer = await client.chat.completions.create({
        ...ask(prompt, { max_completion_tokens: 300 }),
        stream: false,
      });
      return answer.choices[0]?.message.content;
    };
    const alone: (string | null | undefined)[] = [];
    for (const prompt of prompts) alone.push(await complete(prompt));
    const [stepsBefore, tokensBefore] = [await metric("steps_total"), await outputTokens()];
    expect(await Promise.all(prompts.map(complete))).toEqual(alone);
    const steps = (await metric("steps_total")) - stepsBefore;
    expect(steps).toBeLessThan(((await outputTokens()) - tokensBefore) / 2);
  });

  it("samples the same text for the same seed", async () => {
    const sampled = ask("seeded", { temperature: 1, seed: 42 });
    const first = await client.chat.completions.create({ ...sampled, stream: false });
    const second = await client.chat.completions.create({ ...sampled, stream: false });
    expect(second.choices[0]?.message.content).toBe(first.choices[0]?.message.content);
  });

  it("ends before a stop string, streamed or whole, and frees the request", async () => {
    const whole = await client.chat.completions.create({ ...ask("hello"), stream: false });
    const text = whole.choices[0]?.message.content ?? "";
    const stop = text.slice(5, 8);
    expect(stop).toHaveLength(3);
    const before = text.slice(0, text.indexOf(stop));
    const cut = await client.chat.completions.create({ ...ask("hello", { stop }), stream: false });
    expect(cut.choices[0]).toMatchObject({ message: { content: before }, finish_reason: "stop" });
    const stream = await client.chat.completions.create({
      ...ask("hello", { stop: ["never said", stop] }),
      stream: true,
    });
    const pieces: string[] = [];
    const finishes: (string | null)[] = [];
    for await (const chunk of stream) {
      pieces.push(chunk.choices[0]?.delta.content ?? "");
      finishes.push(chunk.choices[0]?.finish_reason ?? null);
    }
    expect(pieces.join("")).toBe(before);
    expect(finishes.at(-1)).toBe("stop");
    await freed();
  });

  it("goes on past the model's end token when told to ignore it", async () => {
    const create = (more: object) =>
      client.chat.completions.create({ ...ask("hello"), ...more, stream: false });
    const free = await create({ ignore_eos: true });
    expect(free.usage?.completion_tokens).toBe(12);
    expect(free.choices[0]?.finish_reason).toBe("length");
    await expect(create({ stop: ["a", ""] })).rejects.toMatchObject({
      status: 400,
      param: "stop[1]",
    });
  });

  it("stops computing and frees everything when the client aborts", async () => {
    const stream = await client.chat.completions.create({
      ...ask("abort", { max_completion_tokens: 400, temperature: 1.9, seed: 3 }),
      stream: true,
    });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) break;
    }
    await freed();
    const aborting = new AbortController();
    const whole = client.chat.completions.create(
      { ...ask("abort", { max_completion_tokens: 400 }), stream: false },
      { signal: aborting.signal },
    );
    aborting.abort();
    await expect(whole).rejects.toThrow(APIUserAbortError);
    await freed();
  });

  it("raises the SDK's errors", async () => {
    const { completions } = client.chat;
    await expect(completions.create({ ...ask("x"), model: "gpt-4o" })).rejects.toThrow(
      NotFoundError,
    );
    const long = completions.create(ask("word ".repeat(2_000)));
    await expect(long).rejects.toThrow(BadRequestError);
    await expect(long).rejects.toMatchObject({
      code: "context_length_exceeded",
      param: "messages",
      type: "invalid_request_error",
      requestID: expect.stringMatching(/^req_/) as string,
    });
    const streaming = completions.create({ ...ask("word ".repeat(2_000)), stream: true });
    await expect(streaming).rejects.toThrow(BadRequestError);
  });

  it("lists and retrieves the model", async () => {
    const { data } = await client.models.list();
    expect(data.map((model) => model.id)).toEqual([tiny.node.model.id]);
    const model = await client.models.retrieve(tiny.node.model.id);
    expect(model.owned_by).toBe("fairlane");
  });

  async function outputTokens(): Promise<number> {
    return metric('tokens_total{kind="output"}');
  }

  async function freed(): Promise<void> {
    let isFreed = false;
    for (let look = 0; look < 200 && !isFreed; look++) {
      const [live, free, total] = [
        await metric("live_requests"),
        await metric("pages_free"),
        await metric("pool_pages"),
      ];
      isFreed = live === 0 && free === total;
    }
    await until(() => isFreed, "the request's pages to be free");
  }
});
