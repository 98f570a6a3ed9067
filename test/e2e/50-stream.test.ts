// Answers as the official client sees them: whole, streamed, several at once, and given up half-way.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Platform, type TestTenant } from "./platform/platform.ts";

let platform: Platform;
let tenant: TestTenant;
beforeAll(async () => {
  platform = await Platform.start();
  tenant = await platform.newTenant("stream");
});
afterAll(() => platform[Symbol.asyncDispose]());

const model = "smollm2-135m-instruct";
const capital = [
  { role: "user" as const, content: "What is the capital of France? Answer in one sentence." },
];
const story = [{ role: "user" as const, content: "Tell me a very long story about the sea." }];

interface DeltaFrame {
  readonly deltas: readonly { readonly id: string; readonly n: number }[];
}

describe("chat completions through edge, hub and node", () => {
  it("answers a question on the real model, with usage and a request id", async () => {
    const request = { model, messages: capital, temperature: 0, max_tokens: 32 };
    const answer = await tenant.openai.chat.completions.create(request);
    expect(answer.choices[0]?.message).toMatchObject({
      role: "assistant",
      content: "The capital of France is Paris.",
    });
    expect(answer.choices[0]?.finish_reason).toBe("stop");
    expect(answer.object).toBe("chat.completion");
    expect(answer.model).toBe(model);
    expect(answer._request_id).toMatch(/^req_/);
    // 7 words and the dot, and the end token, which is computed and billed like any other.
    expect(answer.usage).toMatchObject({ completion_tokens: 8, prompt_tokens: 42 });
  });

  it("ends before a stop string and says so", async () => {
    const request = { model, messages: capital, temperature: 0, stop: [" Paris", "never"] };
    const answer = await tenant.openai.chat.completions.create(request);
    expect(answer.choices[0]?.message.content).toBe("The capital of France is");
    expect(answer.choices[0]?.finish_reason).toBe("stop");
    const stream = await tenant.openai.chat.completions.create({ ...request, stream: true });
    const pieces: string[] = [];
    for await (const chunk of stream) pieces.push(chunk.choices[0]?.delta.content ?? "");
    expect(pieces.join("")).toBe("The capital of France is");
  });

  it("gives several answers by their index, streamed and whole alike, and bills their tokens once", async () => {
    const request = { model, messages: capital, temperature: 1, seed: 5, max_tokens: 16, n: 3 };
    const answer = await tenant.openai.chat.completions.create(request);
    const texts = answer.choices.map(({ message }) => message.content);
    expect(answer.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    const alone = await tenant.openai.chat.completions.create({ ...request, n: 1 });
    expect(texts[0]).toBe(alone.choices[0]?.message.content);
    const stream = await tenant.openai.chat.completions.create({ ...request, stream: true });
    const streamed = ["", "", ""];
    const ends: unknown[] = [];
    for await (const chunk of stream) {
      for (const { index, delta, finish_reason: reason } of chunk.choices) {
        streamed[index] += delta.content ?? "";
        if (reason !== null) ends[index] = reason;
      }
    }
    expect(streamed).toEqual(texts);
    expect(ends).toEqual(answer.choices.map(({ finish_reason: reason }) => reason));
    const row = await platform.ledgerRow(answer._request_id ?? "");
    expect(row).toMatchObject({
      prompt_tokens: 42,
      computed_output_tokens: answer.usage?.completion_tokens,
      billed_output_tokens: answer.usage?.completion_tokens,
    });
    // The prompt is counted once, however many answers share it.
    expect(row.computed_prompt_tokens + row.computed_cached_tokens).toBe(42);
  });

  it("gives log-probabilities through hub and edge, streamed and whole alike", async () => {
    const request = {
      ...{ model, messages: capital, temperature: 0, max_tokens: 32 },
      ...{ logprobs: true, top_logprobs: 2 },
    };
    const answer = await tenant.openai.chat.completions.create(request);
    const content = answer.choices[0]?.logprobs?.content ?? [];
    expect(content.map(({ token }) => token).join("")).toBe("The capital of France is Paris.");
    for (const { token, top_logprobs: top } of content) {
      expect(top.map((one) => one.token)).toContain(token);
      expect(top).toHaveLength(2);
    }
    const streamed: unknown[] = [];
    const stream = await tenant.openai.chat.completions.create({ ...request, stream: true });
    for await (const chunk of stream) {
      streamed.push(...(chunk.choices[0]?.logprobs?.content ?? []));
    }
    expect(streamed).toEqual(content);
  });

  it("streams the same text in chunks, with the usage chunk last", async () => {
    const stream = await tenant.openai.chat.completions.create({
      model,
      messages: capital,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    const finishes: string[] = [];
    let usage: unknown;
    let chunkCount = 0;
    for await (const chunk of stream) {
      chunkCount += 1;
      text += chunk.choices[0]?.delta.content ?? "";
      const finish = chunk.choices[0]?.finish_reason;
      if (finish) finishes.push(finish);
      if (chunk.usage) usage = chunk.usage;
    }
    expect(text).toBe("The capital of France is Paris.");
    expect(finishes).toEqual(["stop"]);
    expect(usage).toMatchObject({ completion_tokens: 8, prompt_tokens: 42 });
    expect(chunkCount).toBeGreaterThan(4);
  });

  it("writes token indices as event ids, untouched by the edge", async () => {
    const response = await fetch(`${platform.edge.edgeUrl}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${tenant.apiKey}` },
      body: JSON.stringify({ messages: capital, temperature: 0, stream: true }),
    });
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(response.headers.get("x-request-id")).toMatch(/^req_/);
    expect(response.headers.get("x-ratelimit-remaining-requests")).toMatch(/^\d+$/);
    const events = (await response.text()).split("\n\n").filter((event) => !event.startsWith(":"));
    const ids = events
      .map((event) => /^id: (\d+)$/m.exec(event)?.[1])
      .filter((id) => id !== undefined);
    expect(ids.length).toBeGreaterThan(4);
    expect(ids.map(Number)).toEqual(ids.map(Number).toSorted((a, b) => a - b));
    expect(events.at(-2)).toBe("data: [DONE]");
  });

  it("computes several requests of two tenants together, over both shards, each with its own text", async () => {
    const other = await platform.newTenant("other");
    const cities = ["France", "Italy", "Spain", "Germany", "Japan", "Egypt", "Peru", "Kenya"];
    const answers = await Promise.all(
      cities.map(async (country, index) => {
        const content = `What is the capital of ${country}? Answer with one word.`;
        const { openai } = index % 2 === 0 ? tenant : other;
        const messages = [{ role: "user" as const, content }];
        const request = { model, messages, temperature: 0, max_tokens: 24 };
        return openai.chat.completions.create(request);
      }),
    );
    const alone = await tenant.openai.chat.completions.create({
      model,
      messages: [{ role: "user", content: "What is the capital of Italy? Answer with one word." }],
      temperature: 0,
      max_tokens: 24,
    });
    // Greedy output does not depend on what else is in the batch.
    expect(answers[1]?.choices[0]?.message.content).toBe(alone.choices[0]?.message.content);
    expect(new Set(answers.map((answer) => answer.id)).size).toBe(cities.length);
    const batched = platform.proxy.seen
      .filter((seen) => seen.type === "step")
      .some((seen) => (seen.frame as unknown as DeltaFrame).deltas.length > 1);
    expect(batched).toBe(true);
  });

  it("stops the node within two steps when the client goes away, and bills what was computed", async () => {
    const request = {
      model,
      messages: story,
      max_tokens: 2_000,
      temperature: 0,
      stream: true as const,
    };
    const stream = await tenant.openai.chat.completions.create(request);
    let requestId = "";
    let chunkCount = 0;
    for await (const chunk of stream) {
      requestId = chunk.id.replace("chatcmpl-", "");
      chunkCount += 1;
      if (chunkCount === 8) break;
    }
    const { proxy } = platform;
    const isCancel = (ids: unknown) => Array.isArray(ids) && ids.includes(requestId);
    const cancel = await proxy.waitFor(
      (seen) => seen.type === "cancel" && isCancel(seen.frame["ids"]),
    );
    await proxy.waitFor((seen) => seen.type === "done" && seen.frame["id"] === requestId);
    const after = proxy.seen.slice(proxy.seen.indexOf(cancel));
    const stepsAfter = after.filter(
      (seen) =>
        seen.type === "step" &&
        (seen.frame as unknown as DeltaFrame).deltas.some((delta) => delta.id === requestId),
    );
    expect(stepsAfter.length).toBeLessThanOrEqual(2);
    const sent = proxy.seen
      .filter((seen) => seen.type === "step")
      .flatMap((seen) => (seen.frame as unknown as DeltaFrame).deltas)
      .filter((delta) => delta.id === requestId)
      .reduce((sum, delta) => sum + delta.n, 0);
    const row = await platform.ledgerRow(requestId);
    expect(row.finish_reason).toBe("cancelled");
    expect(row.computed_output_tokens).toBeGreaterThanOrEqual(sent);
    // Unsent: a step whose result was on its way when the cancel came, and the one after it.
    expect(row.computed_output_tokens).toBeLessThanOrEqual(sent + 2);
    expect(row.computed_output_tokens).toBeLessThan(1_000);
  });
});
