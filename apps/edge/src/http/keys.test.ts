// Keys managed by their own tenant, with a key that may manage keys: what it reaches, what it can hand on, how keys
// are rotated and when they were used.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { asAdmin, codeOf, newKey, newTenant, send } from "../../test/live-edge.ts";

interface KeyBody {
  readonly id: string;
  readonly key: string;
  readonly grace_until_ms: number | null;
  readonly revoked_at_ms: number | null;
  readonly rotated_from_id: string | null;
  readonly last_used_at_ms: number | null;
}

const HOUR_MS = 3_600_000;

/** A tenant and a way to call its routes with a key that manages keys. */
async function newManager(terms: object = {}) {
  const tenant = await newTenant();
  const scopes = ["inference", "keys:read", "keys:manage", "audit:read"];
  const { keyId, key } = await newKey(tenant.tenantId, { name: "manager", scopes, ...terms });
  const call = (method: string, path: string, body?: unknown) =>
    send(method, `/v1/fairlane${path}`, { credential: key, body });
  return { ...tenant, managerId: keyId, managerKey: key, call };
}

const keyAt = async (response: Response) => response.json<KeyBody>();
const models = async (credential: string) =>
  (await send("GET", "/v1/models", { credential })).status;

describe("a tenant's own keys", () => {
  it("are made, listed, read, changed and revoked by a key that may", async () => {
    const { call, keyId, managerId } = await newManager();
    const response = await call("POST", "/keys", { name: "made", scopes: ["inference"] });
    expect(response.status).toBe(201);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const made = await keyAt(response);
    expect(await models(made.key)).toBe(200);
    const list = await (await call("GET", "/keys")).json<{ data: KeyBody[] }>();
    expect(list).toMatchObject({ object: "list", has_more: false });
    expect(list.data.map(({ id }) => id)).toEqual([keyId, managerId, made.id].toSorted());
    expect(JSON.stringify(list)).not.toContain(made.key);
    expect(await keyAt(await call("GET", `/keys/${made.id}`))).not.toHaveProperty("key");
    const changed = await call("PATCH", `/keys/${made.id}`, { name: "renamed" });
    expect(await changed.json()).toMatchObject({ id: made.id, name: "renamed" });
    expect((await call("DELETE", `/keys/${made.id}`)).status).toBe(200);
    expect(await models(made.key)).toBe(401);
    expect((await keyAt(await call("GET", `/keys/${made.id}`))).revoked_at_ms).toBeGreaterThan(0);
  });

  it("come in pages", async () => {
    const { call } = await newManager();
    await call("POST", "/keys", { scopes: ["inference"] });
    const page = async (query: string) =>
      (await call("GET", `/keys?${query}`)).json<{ data: KeyBody[]; has_more: boolean }>();
    const first = await page("limit=2");
    expect([first.data.length, first.has_more]).toEqual([2, true]);
    const second = await page(`limit=2&after=${first.data[1]?.id}`);
    expect([second.data.length, second.has_more]).toEqual([1, false]);
    for (const query of ["limit=0", "limit=101", "limit=x", "after=key_x", "before=1"]) {
      expect((await call("GET", `/keys?${query}`)).status, query).toBe(400);
    }
  });

  it("tell when they were last used, to the hour", async () => {
    const { call, keyId, key, managerId } = await newManager();
    const usedAt = async (id: string) =>
      (await keyAt(await call("GET", `/keys/${id}`))).last_used_at_ms;
    expect(await usedAt(keyId)).toBeNull();
    await models(key);
    const usedMs = (await usedAt(keyId)) ?? 1;
    expect(usedMs % HOUR_MS).toBe(0);
    expect(Math.abs(Date.now() - usedMs)).toBeLessThanOrEqual(HOUR_MS);
    expect(await usedAt(managerId)).toBe(usedMs);
  });

  it("are nobody's who lacks the scope", async () => {
    const tenant = await newTenant();
    const at = `/v1/fairlane/keys/${tenant.keyId}`;
    const reader = await newKey(tenant.tenantId, { scopes: ["keys:read"] });
    const status = async (method: string, path: string, credential: string) =>
      (await send(method, path, { credential, body: method === "GET" ? undefined : {} })).status;
    for (const [method, path] of [
      ["POST", "/v1/fairlane/keys"],
      ["PATCH", at],
      ["POST", `${at}/rotate`],
      ["DELETE", at],
    ] as const) {
      expect(await status(method, path, reader.key), `${method} ${path}`).toBe(403);
    }
    expect(await status("GET", at, reader.key)).toBe(200);
    expect(await status("GET", at, tenant.key)).toBe(403);
    expect(await models(tenant.key)).toBe(200);
  });
});

describe("a key that manages keys", () => {
  it("reaches no other tenant's", async () => {
    const { call } = await newManager();
    const other = await newTenant();
    const at = `/keys/${other.keyId}`;
    const statuses = [
      await call("GET", at),
      await call("PATCH", at, { name: "mine" }),
      await call("POST", `${at}/rotate`, {}),
      await call("DELETE", at),
      await call("POST", "/keys", { project_id: other.projectId, scopes: ["inference"] }),
    ].map(({ status }) => status);
    expect(statuses).toEqual([404, 404, 404, 404, 404]);
    expect(await models(other.key)).toBe(200);
  });

  it("reaches those of its project only", async () => {
    const { call, tenantId, keyId, key } = await newManager();
    // As if the key had been made in another project of the tenant.
    const projectId = "prj_01jd0000000000000000000077";
    await env.CONTROL_DB.prepare("INSERT INTO projects VALUES (?, ?, 'second', 1)")
      .bind(projectId, tenantId)
      .run();
    const foreign = await newKey(tenantId, { project_id: projectId });
    expect((await call("GET", `/keys/${foreign.keyId}`)).status).toBe(404);
    expect((await call("DELETE", `/keys/${foreign.keyId}`)).status).toBe(404);
    expect((await call("PATCH", `/keys/${foreign.keyId}`, {})).status).toBe(404);
    const list = await (await call("GET", "/keys")).json<{ data: KeyBody[] }>();
    expect(list.data.map(({ id }) => id)).not.toContain(foreign.keyId);
    expect(list.data.map(({ id }) => id)).toContain(keyId);
    expect(await models(foreign.key)).toBe(200);
    expect(await models(key)).toBe(200);
  });

  it("hands on nothing that it lacks", async () => {
    const expiresAtMs = Date.now() + 1_000_000;
    const { call, keyId, managerId } = await newManager({
      allowed_models: ["small"],
      expires_at_ms: expiresAtMs,
    });
    const narrow = { scopes: ["inference"], allowed_models: ["small"], expires_at_ms: expiresAtMs };
    expect((await call("POST", "/keys", narrow)).status).toBe(201);
    for (const [param, wider] of [
      ["scopes", { scopes: ["usage:read"] }],
      ["allowed_models", { allowed_models: ["small", "large"] }],
      ["allowed_models", { allowed_models: null }],
      ["expires_at_ms", { expires_at_ms: null }],
    ] as const) {
      for (const response of [
        await call("POST", "/keys", { ...narrow, ...wider }),
        await call("PATCH", `/keys/${managerId}`, wider),
      ]) {
        expect(response.status, param).toBe(403);
        expect(await response.json()).toMatchObject({ error: { code: "wider_than_own", param } });
      }
    }
    // The tenant's first key may do more: its new secret would, too.
    const rotated = await call("POST", `/keys/${keyId}/rotate`, {});
    expect(await codeOf(rotated)).toBe("wider_than_own");
  });
});

describe("rotation", () => {
  it("lets both keys serve until the grace time is over, and lists both", async () => {
    const { tenantId, keyId, key } = await newTenant();
    const path = `/tenants/${tenantId}/keys/${keyId}`;
    const successor = await keyAt(await asAdmin("POST", `${path}/rotate`, { grace_ms: 600 }));
    expect(successor).toMatchObject({
      rotated_from_id: keyId,
      scopes: ["inference", "usage:read"],
    });
    expect([await models(key), await models(successor.key)]).toEqual([200, 200]);
    const list = await asAdmin("GET", `/tenants/${tenantId}/keys`);
    const { data } = await list.json<{ data: KeyBody[] }>();
    expect(data.map(({ id }) => id).toSorted()).toEqual([keyId, successor.id].toSorted());
    expect(data.find(({ id }) => id === keyId)?.grace_until_ms).toBeGreaterThan(
      Date.now() - 60_000,
    );
    const again = await asAdmin("POST", `${path}/rotate`, {});
    expect([again.status, await codeOf(again)]).toEqual([409, "already_exists"]);
    await expect.poll(() => models(key), { timeout: 5_000, interval: 100 }).toBe(401);
    const refused = await send("GET", "/v1/models", { credential: key });
    expect(await codeOf(refused)).toBe("api_key_expired");
    expect(await models(successor.key)).toBe(200);
  });

  it("without grace revokes the old key at once", async () => {
    const { tenantId, keyId, key } = await newTenant();
    const path = `/tenants/${tenantId}/keys/${keyId}/rotate`;
    const successor = await keyAt(await asAdmin("POST", path, { grace_ms: 0 }));
    expect([await models(key), await models(successor.key)]).toEqual([401, 200]);
    const refused = await asAdmin("POST", path, {});
    expect([refused.status, await codeOf(refused)]).toEqual([409, "key_revoked"]);
  });

  it.each([{ grace_ms: -1 }, { grace_ms: 2_592_000_001 }, { grace_ms: 1.5 }, { grace: 1 }])(
    "refuses %j",
    async (body) => {
      const { tenantId, keyId, key } = await newTenant();
      const path = `/tenants/${tenantId}/keys/${keyId}/rotate`;
      expect((await asAdmin("POST", path, body)).status).toBe(400);
      expect(await models(key)).toBe(200);
    },
  );
});

describe("the audit log", () => {
  interface Entry {
    readonly action: string;
    readonly actor: object;
    readonly target: string;
    readonly tenant_id: string;
  }
  const entries = async (response: Response) => (await response.json<{ data: Entry[] }>()).data;

  it("tells who did what, from where, newest first, and no secret", async () => {
    const { tenantId, managerId, managerKey, keyId } = await newManager();
    const from = { "cf-connecting-ip": "203.0.113.9" };
    const manage = (method: string, path: string, body?: unknown) =>
      send(method, `/v1/fairlane${path}`, { credential: managerKey, headers: from, body });
    const made = await keyAt(await manage("POST", "/keys", { scopes: ["inference"] }));
    await manage("PATCH", `/keys/${made.id}`, { name: "renamed", allowed_ips: ["10.0.0.0/8"] });
    const rotated = await keyAt(await manage("POST", `/keys/${made.id}/rotate`, {}));
    const revoked = await manage("DELETE", `/keys/${rotated.id}`);
    const log = await entries(await manage("GET", "/audit-log"));
    expect(log.map(({ action, target }) => [action, target])).toEqual([
      ["key.revoked", rotated.id],
      ["key.rotated", made.id],
      ["key.changed", made.id],
      ["key.created", made.id],
      ["key.created", managerId],
      ["key.created", keyId],
      ["tenant.created", tenantId],
    ]);
    expect(log[0]).toMatchObject({
      tenant_id: tenantId,
      actor: { kind: "key", id: managerId },
      ip: "203.0.113.9",
      request_id: revoked.headers.get("x-request-id"),
    });
    expect(log[2]).toMatchObject({ details: { name: "renamed", allowedIps: ["10.0.0.0/8"] } });
    expect(log[6]).toMatchObject({ actor: { kind: "operator", id: "operator" } });
    const text = JSON.stringify(log);
    for (const { key } of [made, rotated]) expect(text).not.toContain(key.split("_")[3]);
  });

  it("is a tenant's own; the operator reads any and the whole", async () => {
    const [one, other] = [await newManager(), await newManager()];
    const own = await entries(await one.call("GET", "/audit-log"));
    expect(new Set(own.map((entry) => entry.tenant_id))).toEqual(new Set([one.tenantId]));
    const operated = await asAdmin("GET", `/tenants/${other.tenantId}/audit-log`);
    const theirs = await entries(operated);
    expect(new Set(theirs.map((entry) => entry.tenant_id))).toEqual(new Set([other.tenantId]));
    const whole = await entries(await asAdmin("GET", "/audit-log?limit=100"));
    const tenants = new Set(whole.map((entry) => entry.tenant_id));
    expect(tenants).toContain(one.tenantId);
    expect(tenants).toContain(other.tenantId);
    const reader = await newKey(one.tenantId, { scopes: ["usage:read"] });
    const refused = await send("GET", "/v1/fairlane/audit-log", { credential: reader.key });
    expect(refused.status).toBe(403);
  });
});
