// The dashboard's way in: login tokens, sessions in cookies, members and projects, through the edge and the real account.
import { describe, expect, it } from "vitest";
import { asAdmin, codeOf, newKey, newTenant, send } from "../../test/live-edge.ts";
import { cookieOf, newMember, openSession, withCookie } from "../../test/live-session.ts";

const ORIGIN = { origin: "https://edge.test" };

describe("a login token", () => {
  it("is exchanged once for a session in a cookie that scripts cannot read", async () => {
    const { tenantId } = await newTenant();
    const { memberId, loginToken } = await newMember(tenantId, "viewer");
    const response = await openSession({ login_token: loginToken });
    expect(response.status).toBe(201);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("set-cookie")).toMatch(
      /^__Host-fairlane_session=fls1_[0-9a-z_]+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict; Secure$/,
    );
    const cookie = cookieOf(response);
    const text = await response.text();
    expect(text).not.toContain("fls1_");
    expect(JSON.parse(text)).toMatchObject({
      object: "fairlane.session",
      tenant_id: tenantId,
      actor: { kind: "member", id: memberId },
    });
    const me = await withCookie(cookie, "GET /v1/fairlane/session");
    expect(await me.json()).toMatchObject({
      tenant_id: tenantId,
      actor: { kind: "member", id: memberId },
      role: "viewer",
    });
    const again = await openSession({ login_token: loginToken });
    expect([again.status, await codeOf(again)]).toEqual([401, "invalid_login_token"]);
  });

  it.each(["", "fll1_x", "fls1_x", "fl1_x"])("that reads %j is none", async (token) => {
    const response = await openSession({ login_token: token });
    expect([response.status, await codeOf(response)]).toEqual([401, "invalid_login_token"]);
  });

  it("is taken from no other site's page", async () => {
    const { tenantId } = await newTenant();
    const { loginToken } = await newMember(tenantId, "owner");
    const body = { login_token: loginToken };
    const headers = { origin: "https://evil.test" };
    const response = await send("POST", "/v1/fairlane/sessions", { body, headers });
    expect([response.status, await codeOf(response)]).toEqual([403, "cross_site_request"]);
    expect((await openSession(body)).status).toBe(201);
  });
});

describe("an invitation that nobody has taken yet", () => {
  it("is listed without its text, and opens nothing once it is taken back", async () => {
    const { tenantId } = await newTenant();
    const { memberId, loginId, loginToken } = await newMember(tenantId, "owner");
    const admin = await newMember(tenantId, "admin", { login: true });
    const list = await withCookie(admin.cookie, "GET /v1/fairlane/login-tokens");
    const text = await list.text();
    expect(JSON.parse(text)).toMatchObject({
      data: [{ object: "fairlane.login_token", id: loginId, member_id: memberId }],
    });
    expect(text).not.toMatch(/fll1_|secret/);
    // An owner's is not an admin's to take back.
    const path = `/v1/fairlane/login-tokens/${loginId}`;
    expect((await withCookie(admin.cookie, `DELETE ${path}`)).status).toBe(404);
    const other = await newTenant();
    const at = `/tenants/${other.tenantId}/login-tokens/${loginId}`;
    expect((await asAdmin("DELETE", at)).status).toBe(404);
    const mine = `/tenants/${tenantId}/login-tokens/${loginId}`;
    expect((await asAdmin("DELETE", mine)).status).toBe(200);
    expect((await asAdmin("DELETE", mine)).status).toBe(404);
    const refused = await openSession({ login_token: loginToken });
    expect([refused.status, await codeOf(refused)]).toEqual([401, "invalid_login_token"]);
  });
});

describe("a session", () => {
  it("changes something for pages of its own host only", async () => {
    const { tenantId } = await newTenant();
    const { cookie } = await newMember(tenantId, "admin", { login: true });
    const create = (headers: Record<string, string>) =>
      send("POST", "/v1/fairlane/keys", { body: {}, headers: { cookie, ...headers } });
    for (const headers of [{}, { origin: "https://evil.test" }, { origin: "null" }]) {
      const response = await create(headers);
      expect([response.status, await codeOf(response)]).toEqual([403, "cross_site_request"]);
    }
    expect((await create(ORIGIN)).status).toBe(201);
  });

  it("ends at its owner's word, with the cookie", async () => {
    const { tenantId } = await newTenant();
    const { cookie } = await newMember(tenantId, "viewer", { login: true });
    const ended = await withCookie(cookie, "DELETE /v1/fairlane/session");
    expect(ended.status).toBe(200);
    expect(ended.headers.get("set-cookie")).toContain("__Host-fairlane_session=; Max-Age=0;");
    const after = await withCookie(cookie, "GET /v1/fairlane/session");
    expect([after.status, await codeOf(after)]).toEqual([401, "invalid_session"]);
  });

  it("ends at once with its member, and at the word of who manages members", async () => {
    const { tenantId } = await newTenant();
    const owner = await newMember(tenantId, "owner", { login: true });
    const [one, two] = [
      await newMember(tenantId, "member", { login: true }),
      await newMember(tenantId, "member", { login: true }),
    ];
    const list = await withCookie(owner.cookie, "GET /v1/fairlane/sessions");
    const { data } = await list.json<{ data: { id: string; actor: { id: string } }[] }>();
    const session = data.find(({ actor }) => actor.id === one.memberId);
    await withCookie(owner.cookie, `DELETE /v1/fairlane/sessions/${session?.id}`);
    await withCookie(owner.cookie, `DELETE /v1/fairlane/members/${two.memberId}`);
    for (const { cookie } of [one, two]) {
      expect((await withCookie(cookie, "GET /v1/fairlane/session")).status).toBe(401);
    }
    expect((await withCookie(owner.cookie, "GET /v1/fairlane/session")).status).toBe(200);
    const log = await asAdmin("GET", `/tenants/${tenantId}/audit-log`);
    const entries = (await log.json<{ data: { action: string; actor: object }[] }>()).data;
    expect(entries.slice(0, 2).map(({ action }) => action)).toEqual([
      "member.removed",
      "session.ended",
    ]);
    expect(entries[0]?.actor).toEqual({ kind: "member", id: owner.memberId });
    expect(JSON.stringify(entries)).not.toMatch(/fll1_|fls1_/);
  });

  it("of a key sees what the key may, and dies with it", async () => {
    const { tenantId } = await newTenant();
    const { keyId, key } = await newKey(tenantId, { scopes: ["usage:read"] });
    const cookie = cookieOf(await openSession({ api_key: key }));
    expect((await withCookie(cookie, "GET /v1/fairlane/usage")).status).toBe(200);
    expect((await withCookie(cookie, "GET /v1/fairlane/keys")).status).toBe(403);
    await asAdmin("DELETE", `/tenants/${tenantId}/keys/${keyId}`);
    expect((await withCookie(cookie, "GET /v1/fairlane/usage")).status).toBe(401);
    const refused = await openSession({ api_key: key });
    expect([refused.status, await codeOf(refused)]).toEqual([401, "invalid_api_key"]);
  });

  it("computes nothing", async () => {
    const { tenantId } = await newTenant();
    const { cookie } = await newMember(tenantId, "owner", { login: true });
    const response = await withCookie(cookie, "POST /v1/chat/completions", {});
    expect([response.status, await codeOf(response)]).toEqual([401, "invalid_api_key"]);
  });
});

describe("members and projects", () => {
  it("are added, listed, changed and removed", async () => {
    const { tenantId, projectId } = await newTenant();
    const owner = await newMember(tenantId, "owner", { login: true });
    const call = (method: string, path: string, body?: unknown) =>
      withCookie(owner.cookie, `${method} /v1/fairlane${path}`, body);
    const wanted = { name: "Ada", email: "ada@example.org", role: "viewer" };
    const added = await call("POST", "/members", wanted);
    expect(added.status).toBe(201);
    const { id } = await added.json<{ id: string }>();
    const changed = await call("PATCH", `/members/${id}`, { role: "member", email: null });
    expect(await changed.json()).toMatchObject({ id, name: "Ada", email: null, role: "member" });
    const ids = async (path: string) =>
      (await (await call("GET", path)).json<{ data: { id: string }[] }>()).data.map(
        (one) => one.id,
      );
    expect((await ids("/members")).toSorted()).toEqual([id, owner.memberId].toSorted());
    expect((await call("DELETE", `/members/${id}`)).status).toBe(200);
    expect(await ids("/members")).toEqual([owner.memberId]);
    expect((await call("PATCH", `/members/${id}`, { name: "x" })).status).toBe(404);
    const made = await call("POST", "/projects", { name: "second" });
    const project = await made.json<{ id: string }>();
    const renamed = await call("PATCH", `/projects/${project.id}`, { name: "renamed" });
    expect(await renamed.json()).toMatchObject({ id: project.id, name: "renamed" });
    expect((await ids("/projects")).toSorted()).toEqual([project.id, projectId].toSorted());
    const key = await call("POST", "/keys", { project_id: project.id });
    expect(await key.json()).toMatchObject({ project_id: project.id });
  });

  it.each([
    [{ name: "n" }, "missing_required_parameter"],
    [{ name: "n", role: "root" }, "invalid_value"],
    [{ name: "", role: "viewer" }, "invalid_value"],
    [{ name: "n", role: "viewer", password: "x" }, "unknown_parameter"],
  ])("are not made of %j", async (body, code) => {
    const { tenantId } = await newTenant();
    const response = await asAdmin("POST", `/tenants/${tenantId}/members`, body);
    expect([response.status, await codeOf(response)]).toEqual([400, code]);
  });

  it("an admin changes no owner, and the last owner stays", async () => {
    const { tenantId } = await newTenant();
    const owner = await newMember(tenantId, "owner", { login: true });
    const admin = await newMember(tenantId, "admin", { login: true });
    const path = `/v1/fairlane/members/${owner.memberId}`;
    for (const response of [
      await withCookie(admin.cookie, `PATCH ${path}`, { role: "viewer" }),
      await withCookie(admin.cookie, `DELETE ${path}`),
      await withCookie(admin.cookie, `POST ${path}/login-tokens`, {}),
      await withCookie(admin.cookie, "POST /v1/fairlane/members", { name: "n", role: "owner" }),
      await withCookie(owner.cookie, `DELETE ${path}`),
    ]) {
      expect([response.status, await codeOf(response)]).toEqual([403, "role_not_allowed"]);
    }
  });
});

describe("an export of the tenant", () => {
  const linesOf = async (response: Response) =>
    (await response.text())
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; data: Record<string, unknown> });

  it("is an owner's and the operator's: all rows, no secret, and an end with the counts", async () => {
    const { tenantId, projectId, keyId, key } = await newTenant({ name: "exported" });
    const { memberId, cookie } = await newMember(tenantId, "owner", { login: true });
    const other = await newTenant({ name: "another's" });
    const own = await withCookie(cookie, "GET /v1/fairlane/export");
    expect(own.headers.get("content-type")).toBe("application/x-ndjson");
    const lines = await linesOf(own);
    const dataOf = (wanted: string) =>
      lines.filter(({ type }) => type === wanted).map(({ data }) => data);
    expect(lines[0]).toMatchObject({ type: "tenant", data: { id: tenantId, name: "exported" } });
    expect(dataOf("project")).toMatchObject([{ id: projectId, name: "default" }]);
    expect(dataOf("member")).toMatchObject([{ id: memberId, role: "owner" }]);
    expect(dataOf("api_key")).toMatchObject([{ id: keyId, scopes: ["inference", "usage:read"] }]);
    expect(dataOf("audit_entry").map(({ action }) => action)).toContain("tenant.exported");
    expect(lines.at(-1)).toMatchObject({
      type: "end",
      data: { counts: { tenant: 1, project: 1, member: 1, api_key: 1, session: 1 } },
    });
    const text = JSON.stringify(lines);
    for (const hidden of ["secret", key.slice(-20), other.tenantId]) {
      expect(text).not.toContain(hidden);
    }
    const operators = await linesOf(await asAdmin("GET", `/tenants/${tenantId}/export`));
    expect(operators.map(({ type }) => type)).toContain("api_key");
    const admin = await newMember(tenantId, "admin", { login: true });
    const refused = await withCookie(admin.cookie, "GET /v1/fairlane/export");
    expect([refused.status, await codeOf(refused)]).toEqual([403, "scope_not_allowed"]);
  });
});
