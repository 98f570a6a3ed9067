// Which keys get in: every way a key can be wrong, through the edge script and the real TenantAccount.
import { makeApiKey } from "@fairlane/protocol";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { readKnownKey } from "./known-keys.ts";
import { asAdmin, chat, codeOf, newKey, newTenant, send } from "../../test/live-edge.ts";

const random = { fill: (target: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(target) };
const WRONG_KEY = {
  error: {
    message: "Incorrect API key provided. Ask your administrator for a valid key.",
    type: "invalid_request_error",
    param: null,
    code: "invalid_api_key",
  },
};

const ROUTES = [
  ["POST", "/v1/chat/completions"],
  ["GET", "/v1/models"],
  ["GET", "/v1/models/some-model"],
  ["GET", "/v1/fairlane/usage"],
] as const;

/** The same key with one character of its secret changed. */
function forged(key: string): string {
  const at = key.length - 40;
  return key.slice(0, at) + (key[at] === "a" ? "b" : "a") + key.slice(at + 1);
}

describe("a key that was read here before", () => {
  it("is read again, and no text that differs from it by one character is", async () => {
    const pepper = "pepper-one";
    const ids = {
      tenantId: "ten_01jd0000000000000000000001",
      keyId: "key_01jd0000000000000000000002",
    };
    const { text, secretHash } = await makeApiKey({ ...ids, pepper, random });
    for (let times = 0; times < 2; times++) {
      expect(await readKnownKey(text, pepper)).toEqual({ ...ids, secretHash });
    }
    expect(await readKnownKey(text, "pepper-two")).toBeUndefined();
    for (let at = 0; at < text.length; at++) {
      const other = text[at] === "1" ? "2" : "1";
      const changed = text.slice(0, at) + other + text.slice(at + 1);
      expect(await readKnownKey(changed, pepper)).toBeUndefined();
      expect(await readKnownKey(text.slice(0, at), pepper)).toBeUndefined();
    }
    expect(await readKnownKey(text, pepper)).toEqual({ ...ids, secretHash });
  });
});

describe("a request without a good key", () => {
  it("is told how to send one when it sends none", async () => {
    for (const [method, path] of ROUTES) {
      const response = await send(method, path);
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
      expect(await response.json()).toEqual({
        error: {
          message: "No API key provided. Send it as 'Authorization: Bearer YOUR_KEY'.",
          type: "invalid_request_error",
          param: null,
          code: "invalid_api_key",
        },
      });
    }
  });

  it("gets one and the same answer whatever is wrong with the key", async () => {
    const { tenantId, key } = await newTenant();
    const revoked = await newKey(tenantId);
    await asAdmin("DELETE", `/tenants/${tenantId}/keys/${revoked.keyId}`);
    const ids = { tenantId, keyId: "key_01jd0000000000000000000009" };
    const unknown = await makeApiKey({ ...ids, pepper: env.KEY_PEPPER, random });
    const orphanIds = { ...ids, tenantId: "ten_01jd0000000000000000000009" };
    const orphan = await makeApiKey({ ...orphanIds, pepper: env.KEY_PEPPER, random });
    const otherPepper = await makeApiKey({ ...ids, pepper: "another pepper of ours", random });
    const wrong = {
      malformed: "sk-1234",
      shortened: key.slice(0, -1),
      forged: forged(key),
      otherPepper: otherPepper.text,
      revoked: revoked.key,
      unknownKey: unknown.text,
      unknownTenant: orphan.text,
    };
    for (const [name, credential] of Object.entries(wrong)) {
      for (const [method, path] of ROUTES) {
        const response = await send(method, path, { credential });
        expect(response.status, `${name} ${path}`).toBe(401);
        expect(await response.json(), `${name} ${path}`).toEqual(WRONG_KEY);
        expect(response.headers.has("x-ratelimit-limit-requests"), name).toBe(false);
      }
    }
    expect((await send("GET", "/v1/models", { credential: key })).status).toBe(200);
  });

  it("does not get in with the secret of another key of the same tenant", async () => {
    const { tenantId, keyId } = await newTenant();
    // Made under the right pepper for the id of a key that exists, but not the secret that was issued.
    const twin = await makeApiKey({ tenantId, keyId, pepper: env.KEY_PEPPER, random });
    const response = await send("GET", "/v1/models", { credential: twin.text });
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual(WRONG_KEY);
  });

  it("is told when the key's time is over", async () => {
    const { tenantId } = await newTenant();
    const expiresAtMs = Date.now() + 500;
    const { key } = await newKey(tenantId, { expires_at_ms: expiresAtMs });
    const models = () => send("GET", "/v1/models", { credential: key });
    expect((await models()).status).toBe(200);
    await expect
      .poll(async () => (await models()).status, { timeout: 10_000, interval: 100 })
      .toBe(401);
    expect(await codeOf(await models())).toBe("api_key_expired");
    expect(Date.now()).toBeGreaterThanOrEqual(expiresAtMs);
  });
});

describe("scopes", () => {
  it("open what they name and nothing else", async () => {
    const { tenantId } = await newTenant();
    const inference = await newKey(tenantId, { scopes: ["inference"] });
    const usage = await newKey(tenantId, { scopes: ["usage:read"] });
    const statuses = async (credential: string) => [
      (await send("GET", "/v1/models", { credential })).status,
      (await send("GET", "/v1/fairlane/usage", { credential })).status,
      // Admitted, then refused for its empty body.
      (await send("POST", "/v1/chat/completions", { credential })).status,
    ];
    expect(await statuses(inference.key)).toEqual([200, 403, 400]);
    expect(await statuses(usage.key)).toEqual([403, 200, 403]);
    const refused = await chat(usage.key, { messages: [{ role: "user", content: "hi" }] });
    expect(await refused.json()).toMatchObject({
      error: { code: "scope_not_allowed", type: "permission_error" },
    });
  });
});
