// What the operator is told when the tenant's account cannot be reached or is full, and what is left behind then.
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ADMIN_TOKEN, codeOf } from "../../test/live-edge.ts";
import { scriptedEdge, type Script } from "../../test/scripted-edge.ts";

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

const ADMIN = "/v1/fairlane/admin/tenants";
const lost = () => Promise.reject(new Error("object was reset"));

function asAdmin(script: Script, method: string, path: string, body?: object): Promise<Response> {
  return scriptedEdge(script).send(`${ADMIN}${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function rowCount(table: "tenants" | "api_keys"): Promise<number | null> {
  return env.CONTROL_DB.prepare(`SELECT count(*) AS n FROM ${table}`).first<number>("n");
}

describe("an account that cannot be reached", () => {
  it("makes no tenant", async () => {
    const before = await rowCount("tenants");
    const response = await asAdmin({ configure: lost }, "POST", "", { name: "n" });
    expect(response.status).toBe(503);
    expect(await codeOf(response)).toBe("account_unavailable");
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await rowCount("tenants")).toBe(before);
  });

  it("makes no key and revokes none", async () => {
    const created = await asAdmin({}, "POST", "", { name: "n" });
    const { id } = await created.json<{ id: string }>();
    const before = await rowCount("api_keys");
    const made = await asAdmin({ putKey: lost }, "POST", `/${id}/keys`, {});
    expect(made.status).toBe(503);
    expect(await rowCount("api_keys")).toBe(before);
    const path = `/${id}/keys/key_01jd0000000000000000000001`;
    const revoked = await asAdmin({ revokeKey: lost }, "DELETE", path);
    expect(revoked.status).toBe(503);
    expect(await codeOf(revoked)).toBe("account_unavailable");
  });
});

describe("an account with as many keys as it may have", () => {
  it("is a 409 that no retry helps", async () => {
    const created = await asAdmin({}, "POST", "", { name: "n" });
    const { id } = await created.json<{ id: string }>();
    const full = { putKey: () => Promise.resolve(false) };
    const response = await asAdmin(full, "POST", `/${id}/keys`, {});
    expect(response.status).toBe(409);
    expect(response.headers.get("x-should-retry")).toBe("false");
    expect(await codeOf(response)).toBe("too_many_keys");
  });
});
