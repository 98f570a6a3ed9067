// The administration of tenants and keys through the edge script and the real TenantAccount.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { ADMIN_TOKEN, asAdmin, codeOf, newKey, newTenant, send } from "../../test/live-edge.ts";

const ULID = /^[0-9a-hjkmnp-tv-z]{26}$/;

describe("POST /v1/fairlane/admin/tenants", () => {
  it("makes a tenant with a project, the default limits and the current prices", async () => {
    const response = await asAdmin("POST", "/tenants", { name: "Acme" });
    expect(response.status).toBe(201);
    const tenant = await response.json<Record<string, unknown>>();
    expect(tenant).toEqual({
      object: "fairlane.tenant",
      id: expect.stringMatching(/^ten_/) as unknown,
      name: "Acme",
      status: "active",
      weight: 1,
      requests_per_minute: 600,
      tokens_per_minute: 1_000_000,
      input_tokens_per_minute: null,
      output_tokens_per_minute: null,
      parallel_requests: 64,
      limits: [],
      prepaid: false,
      budgets: [],
      webhook_url: null,
      price_version: "plan_01kb0000000000000000000001",
      default_project_id: expect.stringMatching(/^prj_/) as unknown,
      created_at_ms: expect.any(Number) as unknown,
    });
    expect(String(tenant["id"]).slice(4)).toMatch(ULID);
  });

  it("takes weight and limits", async () => {
    const wanted = {
      name: "n".repeat(256),
      weight: 1_000,
      requests_per_minute: 1,
      tokens_per_minute: 1_000_000_000,
      parallel_requests: 10_000,
    };
    const response = await asAdmin("POST", "/tenants", wanted);
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject(wanted);
  });

  it.each([
    [{}, "missing_required_parameter"],
    [{ name: "" }, "invalid_value"],
    [{ name: "n".repeat(257) }, "string_above_max_length"],
    [{ name: 5 }, "invalid_type"],
    [{ name: "n", weight: 0 }, "integer_below_min_value"],
    [{ name: "n", weight: 1_001 }, "integer_above_max_value"],
    [{ name: "n", requests_per_minute: 0 }, "integer_below_min_value"],
    [{ name: "n", tokens_per_minute: 1.5 }, "invalid_type"],
    [{ name: "n", parallel_requests: 10_001 }, "integer_above_max_value"],
    [{ name: "n", colour: "red" }, "unknown_parameter"],
    [[], "invalid_type"],
  ])("refuses %j", async (body, code) => {
    const response = await asAdmin("POST", "/tenants", body);
    expect(response.status).toBe(400);
    expect(await codeOf(response)).toBe(code);
  });

  it("refuses a body of more than 16 KiB", async () => {
    const response = await asAdmin("POST", "/tenants", { name: "n".repeat(16_384) });
    expect(response.status).toBe(413);
  });
});

describe("POST /v1/fairlane/admin/tenants/{id}/keys", () => {
  it("shows the key once and stores its hash only", async () => {
    const { tenantId, projectId } = await newTenant();
    const response = await asAdmin("POST", `/tenants/${tenantId}/keys`, { name: "ci" });
    expect(response.status).toBe(201);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const key = await response.json<Record<string, unknown>>();
    const text = String(key["key"]);
    expect(key).toEqual({
      object: "fairlane.api_key",
      id: expect.stringMatching(/^key_/) as unknown,
      key: expect.stringMatching(
        /^fl1_[0-9a-z]{26}_[0-9a-z]{26}_[0-9a-z]{52}_[0-9a-z]{26}$/,
      ) as unknown,
      tenant_id: tenantId,
      project_id: projectId,
      name: "ci",
      last_chars: text.slice(-4),
      scopes: ["inference", "usage:read"],
      allowed_models: null,
      allowed_adapters: null,
      allowed_ips: null,
      expires_at_ms: null,
      revoked_at_ms: null,
      rotated_from_id: null,
      grace_until_ms: null,
      created_at_ms: expect.any(Number) as unknown,
    });
    const { results } = await env.CONTROL_DB.prepare("SELECT * FROM api_keys").all();
    const secret = text.split("_")[3] ?? "none";
    expect(JSON.stringify(results)).toContain(String(key["id"]));
    expect(JSON.stringify(results)).not.toContain(secret);
  });

  it("takes scopes, an expiry and one of the tenant's own projects", async () => {
    const { tenantId, projectId } = await newTenant();
    const wanted = {
      name: "reader",
      project_id: projectId,
      scopes: ["usage:read", "usage:read"],
      allowed_models: ["small"],
      allowed_adapters: [],
      allowed_ips: ["10.0.0.0/8", "::1"],
      expires_at_ms: 4_102_444_800_000,
    };
    const response = await asAdmin("POST", `/tenants/${tenantId}/keys`, wanted);
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({ ...wanted, scopes: ["usage:read"] });
  });

  it("does not put a key into another tenant's project", async () => {
    const [owner, other] = [await newTenant(), await newTenant()];
    const body = { project_id: other.projectId };
    const response = await asAdmin("POST", `/tenants/${owner.tenantId}/keys`, body);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      error: { code: "not_found", param: "project_id" },
    });
  });

  it.each([
    [{ scopes: [] }, 400, "empty_array"],
    [{ scopes: ["root"] }, 400, "invalid_value"],
    [{ scopes: Array.from({ length: 100 }, () => "inference") }, 400, "array_above_max_length"],
    [{ expires_at_ms: 1_000 }, 400, "invalid_value"],
    [{ expires_at_ms: "tomorrow" }, 400, "invalid_type"],
    [{ secret: "mine" }, 400, "unknown_parameter"],
    [{ allowed_models: [""] }, 400, "invalid_value"],
    [{ allowed_adapters: Array.from({ length: 65 }, () => "adp") }, 400, "array_above_max_length"],
    [{ allowed_ips: ["10.0.0.0/33"] }, 400, "invalid_value"],
    [{ allowed_ips: ["2001:db8::/129"] }, 400, "invalid_value"],
    [{ allowed_ips: ["10.0.0.0/08"] }, 400, "invalid_value"],
    [{ allowed_ips: ["10.0.0.0/8/8"] }, 400, "invalid_value"],
    [{ allowed_ips: ["fe80::1%eth0"] }, 400, "invalid_value"],
    [{ allowed_ips: ["localhost"] }, 400, "invalid_value"],
  ])("refuses %j", async (body, status, code) => {
    const { tenantId } = await newTenant();
    const response = await asAdmin("POST", `/tenants/${tenantId}/keys`, body);
    expect(response.status).toBe(status);
    expect(await codeOf(response)).toBe(code);
  });

  it.each(["ten_01jd0000000000000000000001", "ten_x", "key_01jd0000000000000000000001", "%2e%2e"])(
    "does not know the tenant %s",
    async (tenantId) => {
      const response = await asAdmin("POST", `/tenants/${tenantId}/keys`, {});
      expect(response.status).toBe(404);
    },
  );
});

describe("PATCH /v1/fairlane/admin/tenants/{id}/keys/{key}", () => {
  const modelsFrom = (credential: string, from: string) =>
    send("GET", "/v1/models", { credential, headers: { "cf-connecting-ip": from } });

  it("changes what it names, at once, and leaves the rest", async () => {
    const { tenantId, keyId, key } = await newTenant();
    expect((await modelsFrom(key, "203.0.113.9")).status).toBe(200);
    const change = { name: "narrow", allowed_ips: ["10.0.0.0/8"], allowed_models: ["small"] };
    const response = await asAdmin("PATCH", `/tenants/${tenantId}/keys/${keyId}`, change);
    expect(response.status).toBe(200);
    const body = await response.json<Record<string, unknown>>();
    expect(body).toMatchObject({ id: keyId, ...change, scopes: ["inference", "usage:read"] });
    expect(body).not.toHaveProperty("key");
    expect(await codeOf(await modelsFrom(key, "203.0.113.9"))).toBe("ip_not_allowed");
    expect((await modelsFrom(key, "10.1.2.3")).status).toBe(200);
    const messages = [{ role: "user", content: "hi" }];
    const asked = await send("POST", "/v1/chat/completions", {
      credential: key,
      headers: { "cf-connecting-ip": "10.1.2.3" },
      body: { model: "large", messages },
    });
    expect(await codeOf(asked)).toBe("model_not_allowed");
    await asAdmin("PATCH", `/tenants/${tenantId}/keys/${keyId}`, { allowed_models: null });
    const row = await env.CONTROL_DB.prepare("SELECT * FROM api_keys WHERE id = ?")
      .bind(keyId)
      .first();
    expect(row).toMatchObject({
      name: "narrow",
      allowed_ips: '["10.0.0.0/8"]',
      allowed_models: null,
    });
  });

  it("finds a key under its own tenant only", async () => {
    const [owner, other] = [await newTenant(), await newTenant()];
    const path = `/tenants/${other.tenantId}/keys/${owner.keyId}`;
    const response = await asAdmin("PATCH", path, { scopes: ["usage:read"] });
    expect(response.status).toBe(404);
    expect((await send("GET", "/v1/models", { credential: owner.key })).status).toBe(200);
  });

  it("does not wake a revoked key", async () => {
    const { tenantId, keyId, key } = await newTenant();
    await asAdmin("DELETE", `/tenants/${tenantId}/keys/${keyId}`);
    const response = await asAdmin("PATCH", `/tenants/${tenantId}/keys/${keyId}`, { name: "n" });
    expect(response.status).toBe(409);
    expect(await codeOf(response)).toBe("key_revoked");
    expect((await send("GET", "/v1/models", { credential: key })).status).toBe(401);
  });
});

describe("DELETE /v1/fairlane/admin/tenants/{id}/keys/{key}", () => {
  it("kills the key at once and may be repeated", async () => {
    const { tenantId, keyId, key } = await newTenant();
    const models = () => send("GET", "/v1/models", { credential: key });
    expect((await models()).status).toBe(200);
    const revoke = () => asAdmin("DELETE", `/tenants/${tenantId}/keys/${keyId}`);
    const first = await revoke();
    expect(first.status).toBe(200);
    expect(await first.json()).toEqual({ object: "fairlane.api_key", id: keyId, revoked: true });
    expect((await models()).status).toBe(401);
    expect((await revoke()).status).toBe(200);
    expect((await models()).status).toBe(401);
    const row = await env.CONTROL_DB.prepare("SELECT revoked_at_ms FROM api_keys WHERE id = ?")
      .bind(keyId)
      .first<{ revoked_at_ms: number }>();
    expect(row?.revoked_at_ms).toBeGreaterThan(1_700_000_000_000);
  });

  it("leaves the tenant's other keys alone", async () => {
    const { tenantId, keyId, key } = await newTenant();
    const second = await newKey(tenantId);
    await asAdmin("DELETE", `/tenants/${tenantId}/keys/${second.keyId}`);
    expect((await send("GET", "/v1/models", { credential: key })).status).toBe(200);
    expect((await send("GET", "/v1/models", { credential: second.key })).status).toBe(401);
    expect(keyId).not.toBe(second.keyId);
  });

  it("finds a key under its own tenant only", async () => {
    const [owner, other] = [await newTenant(), await newTenant()];
    const wrong = await asAdmin("DELETE", `/tenants/${other.tenantId}/keys/${owner.keyId}`);
    expect(wrong.status).toBe(404);
    expect((await send("GET", "/v1/models", { credential: owner.key })).status).toBe(200);
    const right = await asAdmin("DELETE", `/tenants/${owner.tenantId}/keys/${owner.keyId}`);
    expect(right.status).toBe(200);
  });

  it.each([
    "/tenants/ten_01jd0000000000000000000001/keys/key_01jd0000000000000000000001",
    "/tenants/x/keys/y",
  ])("does not know %s", async (path) => {
    const response = await asAdmin("DELETE", path);
    expect(response.status).toBe(404);
    expect(await codeOf(response)).toBe("not_found");
  });
});

describe("administrative routes", () => {
  const ROUTES = async () => {
    const { tenantId, keyId, key } = await newTenant();
    const at = `/v1/fairlane/admin/tenants/${tenantId}`;
    const routes: readonly (readonly [method: string, path: string, body: object | undefined])[] = [
      ["POST", "/v1/fairlane/admin/tenants", { name: "n" }],
      ["POST", `${at}/keys`, {}],
      ["GET", `${at}/usage`, undefined],
      ["GET", `${at}/keys`, undefined],
      ["GET", `${at}/keys/${keyId}`, undefined],
      ["PATCH", `${at}/keys/${keyId}`, {}],
      ["GET", `${at}/audit-log`, undefined],
      ["GET", "/v1/fairlane/admin/audit-log", undefined],
      ["POST", `${at}/keys/${keyId}/rotate`, {}],
      ["DELETE", `${at}/keys/${keyId}`, undefined],
    ];
    return { routes, key };
  };

  it("are the operator's", async () => {
    const { routes } = await ROUTES();
    for (const [method, path, body] of routes) {
      const response = await send(method, path, { credential: ADMIN_TOKEN, body });
      expect([200, 201], `${method} ${path}`).toContain(response.status);
    }
  });

  it("are nobody else's: no credential, another token, a tenant's own key", async () => {
    const { routes, key } = await ROUTES();
    const wrong = [undefined, "", `${ADMIN_TOKEN}0`, ADMIN_TOKEN.slice(0, -1), "fla1_", key];
    for (const [method, path, body] of routes) {
      for (const credential of wrong) {
        const response = await send(method, path, {
          ...(credential === undefined ? {} : { credential }),
          body,
        });
        expect(response.status, `${method} ${path} with ${credential}`).toBe(401);
        expect(await codeOf(response)).toBe("invalid_admin_token");
      }
    }
    expect((await send("GET", "/v1/models", { credential: key })).status).toBe(200);
  });
});

describe("the erasure of a tenant", { timeout: 30_000 }, () => {
  const runJob = () => asAdmin("POST", "/jobs/tenant-erasure/run");

  it("asks for its id once more, ends its keys, and tells how far it is", async () => {
    const { tenantId, key } = await newTenant({ name: "Zebra & Sons" });
    const at = `/tenants/${tenantId}`;
    const wrong = await asAdmin("DELETE", at, { confirm: "ten_01jd0000000000000000000009" });
    expect(await wrong.json()).toMatchObject({ error: { param: "confirm" } });
    expect((await send("GET", "/v1/models", { credential: key })).status).toBe(200);
    const begun = await asAdmin("DELETE", at, { confirm: tenantId });
    expect(begun.status).toBe(202);
    expect(await begun.json()).toMatchObject({ status: "erasing", tenant_id: tenantId });
    const refused = await send("GET", "/v1/models", { credential: key });
    expect([refused.status, await codeOf(refused)]).toEqual([403, "tenant_suspended"]);
    // Nothing brings it back.
    for (const [method, path, body] of [
      ["PATCH", at, { suspended: false }],
      ["POST", `${at}/keys`, {}],
      ["POST", `${at}/members`, { name: "a", role: "owner" }],
      ["POST", `${at}/credits`, { id: "c", amount_nano_usd: 1 }],
    ] as const) {
      const answer = await asAdmin(method, path, body);
      expect([answer.status, await codeOf(answer)]).toEqual([409, "tenant_erased"]);
    }
    expect((await runJob()).status).toBe(200);
    const standing = await asAdmin("GET", `${at}/erasure`);
    expect(await standing.json()).toMatchObject({ phase: "settling", counts: { keys: 1 } });
    const gone = await send("GET", "/v1/models", { credential: key });
    expect([gone.status, await codeOf(gone)]).toEqual([401, "invalid_api_key"]);
    expect(await (await asAdmin("GET", at)).json()).toMatchObject({
      name: "erased",
      status: "erasing",
    });
    // Amounts are still the operator's to read.
    expect((await asAdmin("GET", `${at}/usage`)).status).toBe(200);
    expect((await asAdmin("DELETE", at, { confirm: tenantId })).status).toBe(202);
  });
});
