// Who may call: forged, unknown and revoked keys are turned away alike, and no tenant sees another's usage.
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Platform } from "./platform/platform.ts";

let platform: Platform;
beforeAll(async () => void (platform = await Platform.start()));
afterAll(() => platform[Symbol.asyncDispose]());

const question = {
  model: "smollm2-135m-instruct",
  messages: [
    { role: "user" as const, content: "What is the capital of France? Answer in one sentence." },
  ],
  max_tokens: 8,
  temperature: 0,
};

describe("authentication", () => {
  it("turns a wrong key away with OpenAI's 401", async () => {
    const failed = platform.client("fl1_wrong").chat.completions.create(question);
    await expect(failed).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    await expect(failed).rejects.toMatchObject({ status: 401, code: "invalid_api_key" });
  });

  it("tells a key whose secret was changed nothing more than any wrong key", async () => {
    const { apiKey } = await platform.newTenant("changed");
    const forged = `${apiKey.slice(0, -1)}${apiKey.endsWith("0") ? "1" : "0"}`;
    const answers = await Promise.all(
      [forged, "fl1_wrong"].map(async (key) => {
        const headers = { authorization: `Bearer ${key}` };
        const response = await fetch(`${platform.edge.edgeUrl}/v1/models`, { headers });
        return { status: response.status, body: await response.text() };
      }),
    );
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]?.status).toBe(401);
  });

  it("serves a key until it is revoked and not once after", async () => {
    const tenant = await platform.newTenant("revoked");
    const answer = await tenant.openai.chat.completions.create(question);
    expect(answer.choices[0]?.message.content).toContain("Paris");
    await platform.admin.revokeKey(tenant.tenantId, tenant.keyId);
    const refused = tenant.openai.chat.completions.create(question);
    await expect(refused).rejects.toMatchObject({ status: 401, code: "invalid_api_key" });
  });

  it("shows a tenant its own usage and not the other's", async () => {
    const [one, other] = [await platform.newTenant("one"), await platform.newTenant("other")];
    const { _request_id: requestId } = await one.openai.chat.completions.create(question);
    await platform.ledgerRow(requestId ?? "");
    const read = async (apiKey: string) => {
      const headers = { authorization: `Bearer ${apiKey}` };
      const url = `${platform.edge.edgeUrl}/v1/fairlane/usage?request_id=${requestId ?? ""}`;
      return (await (await fetch(url, { headers })).json()) as {
        readonly tenant_id: string;
        readonly entries: readonly unknown[];
      };
    };
    const [own, foreign] = [await read(one.apiKey), await read(other.apiKey)];
    expect(own.tenant_id).toBe(one.tenantId);
    expect(own.entries).toHaveLength(1);
    expect(foreign.tenant_id).toBe(other.tenantId);
    expect(foreign.entries).toHaveLength(0);
  });
});
