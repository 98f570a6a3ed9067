// Budgets and credit through the edge script and its real TenantAccount, by the tenant and by the operator.
import { describe, expect, it } from "vitest";
import { asAdmin, chat, codeOf, newKey, newTenant, send } from "../../test/live-edge.ts";
import { newMember, withCookie } from "../../test/live-session.ts";

const read = (credential: string, path: string) =>
  send("GET", `/v1/fairlane/${path}`, { credential });
const BODY = { messages: [{ role: "user", content: "Hi" }], max_tokens: 10 };

describe("budgets", () => {
  it("are set by the operator, read by both, and refuse what they do not cover", async () => {
    const { tenantId, projectId, keyId, key } = await newTenant();
    const budgets = [
      {
        scope_id: tenantId,
        window: "month",
        mode: "hard",
        limit_nano_usd: 9_000_000,
        alert_percents: [50, 90],
      },
      { scope_id: keyId, window: "day", mode: "soft", limit_nano_usd: 100, alert_percents: [] },
      { scope_id: projectId, window: "week", mode: "hard", limit_nano_usd: 7, alert_percents: [] },
    ];
    const change = { budgets, webhook_url: "https://hooks.example/fairlane" };
    const changed = await asAdmin("PATCH", `/tenants/${tenantId}`, change);
    expect(changed.status).toBe(200);
    expect(await changed.json()).toMatchObject(change);
    const own = await (await read(key, "budgets")).json<{ data: unknown[] }>();
    expect(own).toMatchObject({
      object: "fairlane.budgets",
      tenant_id: tenantId,
      data: budgets.map((budget) => ({ ...budget, spent_nano_usd: 0, held_nano_usd: 0 })),
    });
    const operators = await asAdmin("GET", `/tenants/${tenantId}/budgets`);
    expect(await operators.json()).toEqual(own);
    const refused = await chat(key, BODY);
    expect(refused.status).toBe(429);
    expect(refused.headers.get("x-should-retry")).toBe("false");
    expect(refused.headers.get("retry-after")).toBeNull();
    expect(refused.headers.get("x-ratelimit-limit-requests")).toBe("600");
    expect(await refused.json()).toMatchObject({
      error: { code: "budget_exceeded", type: "insufficient_quota" },
    });
    const webhook = await asAdmin("GET", `/tenants/${tenantId}/webhook`);
    expect(await webhook.json()).toMatchObject({
      url: change.webhook_url,
      secret: expect.stringMatching(/^whsec_/) as unknown,
    });
    expect(webhook.headers.get("cache-control")).toBe("no-store");
  });

  it.each([
    [{ budgets: [{ scope_id: "TENANT", window: "year", mode: "hard", limit_nano_usd: 1 }] }, 400],
    [{ budgets: [{ scope_id: "TENANT", window: "day", mode: "hard", limit_nano_usd: -1 }] }, 400],
    [{ budgets: [{ scope_id: "key_x", window: "day", mode: "hard", limit_nano_usd: 1 }] }, 404],
    [
      {
        budgets: [1, 2].map((limit_nano_usd) => {
          return { scope_id: "TENANT", window: "day", mode: "hard", limit_nano_usd };
        }),
      },
      400,
    ],
    [{ webhook_url: "http://hooks.example" }, 400],
    [{ webhook_url: "file:///etc/passwd" }, 400],
    [{ webhook_url: "http://127.0.0.1.evil.example/" }, 400],
  ])("refuses %j", async (body, status) => {
    const { tenantId } = await newTenant();
    const text = JSON.stringify(body).replaceAll("TENANT", tenantId);
    const answer = await asAdmin("PATCH", `/tenants/${tenantId}`, JSON.parse(text));
    expect(answer.status).toBe(status);
  });

  it("are nobody else's: not another tenant's, not a key's without the scope, not the tenant's to set", async () => {
    const [owner, other] = [await newTenant(), await newTenant()];
    const budgets = [{ scope_id: other.tenantId, window: "day", mode: "hard", limit_nano_usd: 1 }];
    const foreign = await asAdmin("PATCH", `/tenants/${owner.tenantId}`, { budgets });
    expect([foreign.status, await codeOf(foreign)]).toEqual([404, "not_found"]);
    for (const path of ["budgets", "credits"]) {
      const theirs = await (await read(other.key, path)).json<{ tenant_id: string }>();
      expect(theirs.tenant_id).toBe(other.tenantId);
      const { key } = await newKey(owner.tenantId, { scopes: ["inference"] });
      expect((await read(key, path)).status).toBe(403);
      const admins = `/v1/fairlane/admin/tenants/${owner.tenantId}/${path}`;
      expect((await send("GET", admins, { credential: owner.key })).status).toBe(401);
    }
    const gift = `/v1/fairlane/admin/tenants/${owner.tenantId}/credits`;
    const body = { id: "c1", amount_nano_usd: 1 };
    expect((await send("POST", gift, { credential: owner.key, body })).status).toBe(401);
    const secret = `/v1/fairlane/admin/tenants/${owner.tenantId}/webhook`;
    expect((await send("GET", secret, { credential: owner.key })).status).toBe(401);
  });
});

describe("credit", () => {
  it("is given once, lets a prepaid tenant in, and shows what is left", async () => {
    const { tenantId, key } = await newTenant({ prepaid: true });
    const refused = await chat(key, BODY);
    expect([refused.status, await codeOf(refused)]).toEqual([429, "credit_exhausted"]);
    const gift = { id: "invoice-7", amount_nano_usd: 5_000_000, expires_at_ms: 4_102_444_800_000 };
    const given = await asAdmin("POST", `/tenants/${tenantId}/credits`, gift);
    expect(given.status).toBe(201);
    const again = await asAdmin("POST", `/tenants/${tenantId}/credits`, gift);
    expect([again.status, await codeOf(again)]).toEqual([409, "already_exists"]);
    const audit = await asAdmin("GET", `/tenants/${tenantId}/audit-log`);
    const { data } = await audit.json<{ data: Record<string, unknown>[] }>();
    expect(data.filter(({ action }) => action === "credit.given")).toMatchObject([
      { target: "invoice-7", details: { amount_nano_usd: 5_000_000 } },
    ]);
    const own = await read(key, "credits");
    expect(await own.json()).toEqual({
      object: "fairlane.credits",
      tenant_id: tenantId,
      prepaid: true,
      credit_nano_usd: 5_000_000,
      held_nano_usd: 0,
      spent_nano_usd: 0,
      owed_nano_usd: 0,
      data: [
        {
          id: "invoice-7",
          granted_nano_usd: 5_000_000,
          used_nano_usd: 0,
          expired_nano_usd: 0,
          left_nano_usd: 5_000_000,
          granted_at_ms: expect.any(Number) as unknown,
          expires_at_ms: 4_102_444_800_000,
        },
      ],
    });
  });

  it.each([
    [{ id: "a b", amount_nano_usd: 1 }, 400],
    [{ id: "c1", amount_nano_usd: 0 }, 400],
    [{ id: "c1", amount_nano_usd: 1.5 }, 400],
    [{ id: "c1", amount_nano_usd: 1, expires_at_ms: 1 }, 400],
    [{ amount_nano_usd: 1 }, 400],
  ])("refuses %j", async (body, status) => {
    const { tenantId } = await newTenant();
    expect((await asAdmin("POST", `/tenants/${tenantId}/credits`, body)).status).toBe(status);
  });
});

describe("budgets of a tenant's own", () => {
  const set = (credential: string, path: string, limit_nano_usd: number) =>
    send("PUT", `/v1/fairlane/budgets/${path}`, { credential, body: { limit_nano_usd } });
  const drop = (credential: string, path: string) =>
    send("DELETE", `/v1/fairlane/budgets/${path}`, { credential });
  const managing = (tenantId: string) =>
    newKey(tenantId, { scopes: ["inference", "usage:read", "budgets:manage"] });

  it("stand beside the operator's, which stay, and refuse what they do not cover", async () => {
    const { tenantId, projectId } = await newTenant();
    const operators = { scope_id: projectId, window: "day", mode: "hard", limit_nano_usd: 9e9 };
    await asAdmin("PATCH", `/tenants/${tenantId}`, { budgets: [operators] });
    const { key } = await managing(tenantId);
    const path = `${projectId}/day/hard`;
    // None of the operator's can be taken away.
    expect((await drop(key, path)).status).toBe(404);
    expect(await (await set(key, path, 7)).json()).toMatchObject({
      scope_id: projectId,
      limit_nano_usd: 7,
      set_by: "tenant",
    });
    const listed = await (await read(key, "budgets")).json<{ data: unknown[] }>();
    expect(listed.data).toMatchObject([
      { ...operators, set_by: "operator" },
      { scope_id: projectId, limit_nano_usd: 7, set_by: "tenant" },
    ]);
    expect(await codeOf(await chat(key, BODY))).toBe("budget_exceeded");
    // A change of the operator's leaves the tenant's own.
    await asAdmin("PATCH", `/tenants/${tenantId}`, { budgets: [] });
    expect(await codeOf(await chat(key, BODY))).toBe("budget_exceeded");
    expect((await drop(key, path)).status).toBe(200);
    expect((await (await read(key, "budgets")).json<{ data: unknown[] }>()).data).toEqual([]);
    expect(await codeOf(await chat(key, BODY))).not.toBe("budget_exceeded");
  });

  it("are an owner's for all of the tenant, and a key's for its project alone", async () => {
    const [owner, other] = [await newTenant(), await newTenant()];
    const { key } = await managing(owner.tenantId);
    const { cookie } = await newMember(owner.tenantId, "owner", { login: true });
    const bySession = (scope: string) =>
      withCookie(cookie, `PUT /v1/fairlane/budgets/${scope}/month/soft`, { limit_nano_usd: 1 });
    for (const scope of [owner.tenantId, owner.projectId, owner.keyId]) {
      expect((await bySession(scope)).status).toBe(200);
    }
    expect((await set(key, `${owner.keyId}/month/soft`, 1)).status).toBe(200);
    for (const scope of [owner.tenantId, other.projectId, other.keyId, "prj_x"]) {
      expect((await set(key, `${scope}/month/soft`, 1)).status).toBe(404);
    }
    for (const scope of [other.tenantId, other.projectId, other.keyId]) {
      expect((await bySession(scope)).status).toBe(404);
    }
    for (const path of [`${owner.keyId}/year/soft`, `${owner.keyId}/day/firm`]) {
      expect((await set(key, path, 1)).status).toBe(404);
    }
    const refused = await set(owner.key, `${owner.keyId}/day/soft`, 1);
    expect([refused.status, await codeOf(refused)]).toEqual([403, "scope_not_allowed"]);
  });

  it("alert where the tenant says, which is no machine of ours", async () => {
    const { tenantId } = await newTenant();
    const { key } = await managing(tenantId);
    const to = (url: string | null) =>
      send("PUT", "/v1/fairlane/webhook", { credential: key, body: { url } });
    const url = "https://hooks.example/a-secret-path";
    const answer = await to(url);
    expect(await answer.json()).toMatchObject({
      url,
      secret: expect.stringMatching(/^whsec_/) as unknown,
    });
    const seen = await asAdmin("GET", `/tenants/${tenantId}/webhook`);
    expect(await seen.json()).toMatchObject({ url });
    const audit = await asAdmin("GET", `/tenants/${tenantId}/audit-log`);
    const text = await audit.text();
    expect(text).toContain("hooks.example");
    expect(text).not.toContain("a-secret-path");
    for (const wrong of [
      "http://127.0.0.1/",
      "https://10.0.0.1/",
      "https://[::1]/",
      "https://router/",
    ]) {
      const refused = await to(wrong);
      expect([refused.status, await codeOf(refused)]).toEqual([400, "invalid_value"]);
    }
    expect((await to(null)).status).toBe(200);
  });
});
