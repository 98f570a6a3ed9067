// The prefix cache behind the whole platform: a tenant finds what it sent before, nobody else does, and no field of a
// request reaches another tenant's part of it.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Platform, type TestTenant } from "./platform/platform.ts";

let platform: Platform;
let owner: TestTenant;
let other: TestTenant;
beforeAll(async () => {
  platform = await Platform.start();
  owner = await platform.newTenant("cache-owner");
  other = await platform.newTenant("cache-other");
});
afterAll(() => platform[Symbol.asyncDispose]());

const request = {
  model: "smollm2-135m-instruct",
  messages: [
    { role: "user" as const, content: "What is the capital of France? Answer in one sentence." },
  ],
  temperature: 0,
  max_completion_tokens: 4,
};

async function cachedTokens(tenant: TestTenant): Promise<number | undefined> {
  const answer = await tenant.openai.chat.completions.create(request);
  return answer.usage?.prompt_tokens_details?.cached_tokens;
}

describe("the prefix cache of the platform", () => {
  it("gives a tenant what it sent before, and nobody else", async () => {
    expect(await cachedTokens(owner)).toBe(0);
    // 42 prompt tokens: two full blocks of 16.
    expect(await cachedTokens(owner)).toBe(32);
    expect(await cachedTokens(other)).toBe(0);
    expect(await cachedTokens(other)).toBe(32);
  });

  it.each(["cache_salt", "tenant_salt", "tenantSalt", "user_salt"])(
    "refuses a salt that a client sends as %s",
    async (field) => {
      const salted = { ...request, [field]: owner.tenantId };
      await expect(other.openai.chat.completions.create(salted)).rejects.toMatchObject({
        status: 400,
      });
    },
  );
});
