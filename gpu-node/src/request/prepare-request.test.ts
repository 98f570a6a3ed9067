// Shows what both doors refuse and what they hand to the engine. Wordings are OpenAI's, written out.
import { describe, expect, it } from "vitest";
import type { ChatRequest } from "@fairlane/protocol";
import { LETTER_MODEL } from "../stream/testing/letter-model.ts";
import { prepareRequest } from "./prepare-request.ts";

const terms = {
  requestId: "req_1",
  tenantId: "ten_a",
  tenantSalt: "salt",
  weight: 2,
  tier: "interactive",
  receivedAtMs: 5,
  deadlineMs: 50,
} as const;
const random = { fill: (bytes: Uint8Array<ArrayBuffer>) => bytes.fill(7) };

function prepare(body: Partial<ChatRequest>, model = LETTER_MODEL) {
  const messages = [{ role: "user" as const, content: "hello" }];
  return prepareRequest({ body: { messages, ...body }, terms }, { model, random });
}

function user(content: string): Partial<ChatRequest> {
  return { messages: [{ role: "user", content }] };
}

describe("prepareRequest", () => {
  it("makes an engine request of a chat request", async () => {
    const outcome = await prepare({ model: "letters", max_tokens: 9, temperature: 0, seed: 1 });
    expect(outcome).toMatchObject({
      ok: true,
      value: {
        requestId: "req_1",
        tenantId: "ten_a",
        weight: 2,
        tier: "interactive",
        receivedAtMs: 5,
        deadlineMs: 50,
        promptTokens: Int32Array.of(104, 101, 108, 108, 111),
        maxOutputTokens: 9,
        stopTokenIds: [0],
        sampling: { temperature: 0, topP: 1, topK: 0 },
      },
    });
  });

  it("adds the client's stop tokens to the model's, and leaves the model's out when told so", async () => {
    const own = await prepare({ stop_token_ids: [7, 0, 9] });
    expect(own).toMatchObject({ value: { stopTokenIds: [0, 7, 9] } });
    expect(await prepare({ ignore_eos: true })).toMatchObject({ value: { stopTokenIds: [] } });
    const only = await prepare({ ignore_eos: true, stop_token_ids: [0] });
    expect(only).toMatchObject({ value: { stopTokenIds: [0] } });
  });

  it("refuses token ids that the model does not have", async () => {
    expect(await prepare({ logit_bias: { "7": 1, "1000": 2 } })).toEqual({
      ok: false,
      error: {
        code: "invalid_value",
        message: "Invalid 'logit_bias': the model has the tokens 0 to 999, not 1000.",
        param: "logit_bias",
      },
    });
    expect(await prepare({ stop_token_ids: [1_000] })).toMatchObject({
      error: { code: "invalid_value", param: "stop_token_ids" },
    });
    expect((await prepare({ logit_bias: { "999": -100 }, stop_token_ids: [999] })).ok).toBe(true);
  });

  it("gives the default output, cut to what the context leaves", async () => {
    expect(await prepare({})).toMatchObject({ value: { maxOutputTokens: 16 } });
    expect(await prepare(user("x".repeat(60)))).toMatchObject({ value: { maxOutputTokens: 4 } });
  });

  it("lets max_completion_tokens win over max_tokens", async () => {
    const outcome = await prepare({ max_tokens: 3, max_completion_tokens: 5 });
    expect(outcome).toMatchObject({ value: { maxOutputTokens: 5 } });
  });

  it("takes a prompt that leaves room for one token and exactly fitting maxima", async () => {
    expect(await prepare(user("x".repeat(63)))).toMatchObject({ value: { maxOutputTokens: 1 } });
    expect(await prepare({ max_tokens: 59 })).toMatchObject({ value: { maxOutputTokens: 59 } });
  });

  it("refuses a model that is not served", async () => {
    expect(await prepare({ model: "gpt-4o" })).toEqual({
      ok: false,
      error: {
        code: "model_not_found",
        message: "The model 'gpt-4o' does not exist or you do not have access to it.",
        param: "model",
      },
    });
  });

  it("refuses a prompt that fills the context, naming both numbers", async () => {
    expect(await prepare(user("x".repeat(64)), { ...LETTER_MODEL, tokenBytesMax: 8 })).toEqual({
      ok: false,
      error: {
        code: "context_length_exceeded",
        message:
          "This model's maximum context length is 64 tokens. However, your messages resulted in 64 tokens. Please reduce the length of the messages.",
        param: "messages",
      },
    });
  });

  it("refuses a prompt that is surely too long without tokenising it", async () => {
    const model = {
      ...LETTER_MODEL,
      tokenBytesMax: 10,
      encodeChat: () => Promise.reject(new Error("was tokenised")),
    };
    expect(await prepare(user("x".repeat(1_000)), model)).toMatchObject({
      error: { message: expect.stringContaining("resulted in at least 100 tokens") as string },
    });
    const spaces = await prepare(user(" ".repeat(1_000)), { ...LETTER_MODEL, tokenBytesMax: 10 });
    expect(spaces).toMatchObject({ error: { code: "context_length_exceeded" } });
  });

  it("refuses an output maximum that does not fit behind the prompt", async () => {
    expect(await prepare({ max_tokens: 60 })).toEqual({
      ok: false,
      error: {
        code: "context_length_exceeded",
        message:
          "This model's maximum context length is 64 tokens. However, you requested 65 tokens (5 in the messages, 60 in the completion). Please reduce the length of the messages or completion.",
        param: "messages",
      },
    });
  });

  it("passes the template's refusal on and refuses an empty prompt", async () => {
    expect(await prepare(user("refuse"))).toMatchObject({ error: { code: "invalid_messages" } });
    expect(await prepare(user(""))).toMatchObject({ error: { code: "invalid_messages" } });
  });

  it("does not take a bug for a refusal", async () => {
    const model = { ...LETTER_MODEL, encodeChat: () => Promise.reject(new TypeError("bug")) };
    await expect(prepare({}, model)).rejects.toThrow("bug");
  });
});
