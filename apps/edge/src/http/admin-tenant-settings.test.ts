// The change of a tenant's settings through the edge script, its real TenantAccount and the real register.
import { describe, expect, it } from "vitest";
import { asAdmin, codeOf, newKey, newTenant, send } from "../../test/live-edge.ts";

const usage = (credential: string) => send("GET", "/v1/fairlane/usage", { credential });

describe("PATCH /v1/fairlane/admin/tenants/{tenant}", () => {
  it("changes what is given, at once, and tells it afterwards", async () => {
    const { tenantId, keyId, projectId, key } = await newTenant();
    const none = {
      requests_per_minute: null,
      tokens_per_minute: null,
      input_tokens_per_minute: null,
      output_tokens_per_minute: null,
      parallel_requests: null,
    };
    const change = {
      name: "renamed",
      weight: 7,
      requests_per_minute: 50,
      output_tokens_per_minute: 900,
      limits: [
        { ...none, scope_id: projectId, tokens_per_minute: 5_000 },
        { ...none, scope_id: keyId, requests_per_minute: 2 },
      ],
    };
    const changed = await asAdmin("PATCH", `/tenants/${tenantId}`, change);
    expect(changed.status).toBe(200);
    expect(await changed.json()).toMatchObject({ ...change, parallel_requests: 64 });
    const read = await asAdmin("GET", `/tenants/${tenantId}`);
    expect(await read.json()).toMatchObject({ id: tenantId, ...change });
    const first = await usage(key);
    expect(first.headers.get("x-ratelimit-limit-requests")).toBe("2");
    expect(first.headers.get("x-ratelimit-limit-tokens")).toBe("5000");
    expect((await usage(key)).status).toBe(200);
    const refused = await usage(key);
    expect(refused.status).toBe(429);
    expect(refused.headers.get("x-should-retry")).toBe("true");
    expect(await codeOf(refused)).toBe("rate_limit_requests");
    const { key: other } = await newKey(tenantId);
    expect((await usage(other)).headers.get("x-ratelimit-limit-requests")).toBe("50");
  });

  it("suspends and resumes", async () => {
    const { tenantId, key } = await newTenant();
    expect((await asAdmin("PATCH", `/tenants/${tenantId}`, { suspended: true })).status).toBe(200);
    const refused = await usage(key);
    expect([refused.status, await codeOf(refused)]).toEqual([403, "tenant_suspended"]);
    await asAdmin("PATCH", `/tenants/${tenantId}`, { suspended: false });
    expect((await usage(key)).status).toBe(200);
  });

  it("takes a price version that exists", async () => {
    const { tenantId } = await newTenant();
    const price = {
      model: "*",
      input_nano_usd_per_million: 5,
      cached_input_nano_usd_per_million: 4,
      output_nano_usd_per_million: 6,
    };
    const made = await asAdmin("POST", "/prices", { models: [price] });
    expect(made.status).toBe(201);
    const version = await made.json<{ id: string; models: unknown }>();
    expect(version.models).toEqual([price]);
    const changed = await asAdmin("PATCH", `/tenants/${tenantId}`, { price_version: version.id });
    expect(await changed.json()).toMatchObject({ price_version: version.id });
    const read = await asAdmin("GET", `/tenants/${tenantId}`);
    expect(await read.json()).toMatchObject({ price_version: version.id });
    const newest = await asAdmin("GET", "/prices");
    expect(await newest.json()).toMatchObject({ id: version.id });
  });

  it.each([
    [{ weight: 0 }, 400, "integer_below_min_value"],
    [{ tokens_per_minute: null }, 400, "invalid_type"],
    [{ colour: "red" }, 400, "unknown_parameter"],
    [{ limits: [{ scope_id: "prj_01jd0000000000000000000001" }] }, 404, "not_found"],
    [{ limits: [{ scope_id: "x" }] }, 404, "not_found"],
    [{ limits: [{}] }, 400, "missing_required_parameter"],
    [{ price_version: "plan_unknown" }, 404, "not_found"],
  ])("refuses %j", async (body, status, code) => {
    const { tenantId } = await newTenant();
    const response = await asAdmin("PATCH", `/tenants/${tenantId}`, body);
    expect([response.status, await codeOf(response)]).toEqual([status, code]);
  });

  it("takes no scope of another tenant, none twice, no unknown tenant and no tenant's key", async () => {
    const [owner, other] = [await newTenant(), await newTenant()];
    const foreign = { limits: [{ scope_id: other.projectId }] };
    expect((await asAdmin("PATCH", `/tenants/${owner.tenantId}`, foreign)).status).toBe(404);
    const twice = { limits: [{ scope_id: owner.keyId }, { scope_id: owner.keyId }] };
    expect((await asAdmin("PATCH", `/tenants/${owner.tenantId}`, twice)).status).toBe(400);
    expect((await asAdmin("PATCH", "/tenants/ten_x", {})).status).toBe(404);
    const path = `/v1/fairlane/admin/tenants/${owner.tenantId}`;
    for (const method of ["GET", "PATCH"]) {
      const refused = await send(method, path, {
        credential: owner.key,
        ...(method === "PATCH" ? { body: {} } : {}),
      });
      expect(refused.status).toBe(401);
    }
  });
});
