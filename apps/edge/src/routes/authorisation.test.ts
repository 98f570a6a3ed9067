// The authorisation matrix: every route of the list, tried without a credential, with the wrong one, by another tenant
// and by its owner. A route without an entry in test/authorisation-matrix.ts fails here.
import { keyScopes, ROLES, roleScopes, scopeSpec, type Scope } from "@fairlane/protocol";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import {
  MATRIX,
  PUBLIC,
  type MatrixEntry,
  type Owner,
  type Params,
} from "../../test/authorisation-matrix.ts";
import { ADMIN_TOKEN, codeOf, newKey, newTenant, send } from "../../test/live-edge.ts";
import { newMember } from "../../test/live-session.ts";
import { scriptedDeps } from "../../test/scripted-edge.ts";
import { allRoutes } from "./all-routes.ts";
import type { Route } from "./route.ts";

const UNKNOWN_TENANT = "ten_01jd0000000000000000000009";
/** For who does not get as far as the look-up. */
const NOWHERE = null;
const routes = allRoutes(scriptedDeps());
const nameOf = (route: Route) => `${route.method} ${route.path}`;
const named = (access: (route: Route) => boolean) =>
  routes.filter(access).map((route): [string, Route] => [nameOf(route), route]);
const guarded = named(({ access }) => access !== "public");
const scoped = named(({ access }) => typeof access === "object");
const operated = named(({ access }) => access === "admin");

let owner: Owner;
let other: Owner;

async function newOwner(): Promise<Owner> {
  const tenant = await newTenant({ requests_per_minute: 100_000 });
  const { key } = await newKey(tenant.tenantId, { scopes: keyScopes() });
  const { cookie } = await newMember(tenant.tenantId, "owner", { login: true });
  return { ...tenant, allKey: key, cookie };
}

beforeAll(async () => {
  [owner, other] = [await newOwner(), await newOwner()];
});

function entryOf(route: Route): MatrixEntry {
  const entry = MATRIX[nameOf(route)];
  if (!entry) throw new Error(`${nameOf(route)} has no entry in test/authorisation-matrix.ts`);
  return entry;
}

/** How a caller shows who it is. */
type Credential = { readonly bearer: string } | { readonly cookie: string } | undefined;

const ADMIN = { bearer: ADMIN_TOKEN };

/** The best that a tenant has for a route: a key, or an owner's session where no key may. */
function credentialOf(route: Route, who: Owner): Credential {
  const isKeys = typeof route.access === "string" || scopeSpec(route.access.scope).isForKeys;
  return isKeys ? { bearer: who.allKey } : { cookie: who.cookie };
}

function call(route: Route, credential: Credential, params: Params | null): Promise<Response> {
  const path = route.path.replaceAll(/:(\w+)(?:\{[^}]*\})?/g, (_, name: string) => {
    const value = params === null ? "none" : params[name];
    if (value === undefined) throw new Error(`no value of ':${name}' for ${nameOf(route)}`);
    return value;
  });
  const entry = entryOf(route);
  const { headers = {}, body = entry.newBody?.() } = entry;
  if (credential === undefined) return send(route.method, path, { body, headers });
  if ("bearer" in credential) {
    return send(route.method, path, { credential: credential.bearer, body, headers });
  }
  const browser = { cookie: credential.cookie, origin: "https://edge.test" };
  return send(route.method, path, { body, headers: { ...headers, ...browser } });
}

const paramsOf = async (route: Route): Promise<Params> =>
  (await entryOf(route).params?.(owner)) ?? {};

const ANTHROPIC_TYPES: Readonly<Record<string, string>> = {
  invalid_api_key: "authentication_error",
  scope_not_allowed: "permission_error",
};

/** Status and code of an answer that is an error. */
async function refusal(response: Response): Promise<readonly [number, string]> {
  return [response.status, await codeOf(response)];
}

/** Holds an answer to the error that it must be, in the words of its route. */
async function expectRefusal(route: Route, response: Response, [status, code]: [number, string]) {
  if (entryOf(route).isAnthropic !== true) {
    expect(await refusal(response)).toEqual([status, code]);
    return;
  }
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({
    type: "error",
    error: { type: ANTHROPIC_TYPES[code] },
  });
}

describe("the matrix", () => {
  it("has an entry for every route and none for a route that is not there", () => {
    const known = [...Object.keys(MATRIX), ...PUBLIC].toSorted();
    expect(routes.map(nameOf).toSorted()).toEqual(known);
    expect(named(({ access }) => access === "public").map(([name]) => name)).toEqual(PUBLIC);
  });
});

describe("without a credential, or with one of another kind", () => {
  it.each(guarded)("%s is a 401", async (_, route) => {
    const code = route.access === "admin" ? "invalid_admin_token" : "invalid_api_key";
    const wrong = route.access === "admin" ? { bearer: owner.allKey } : ADMIN;
    for (const credential of [undefined, wrong]) {
      await expectRefusal(route, await call(route, credential, NOWHERE), [401, code]);
    }
  });
});

describe("with every scope but its own", () => {
  const keys = new Map<Scope, string>();

  async function keyWithout(scope: Scope): Promise<string> {
    const known = keys.get(scope);
    if (known !== undefined) return known;
    const scopes = keyScopes().filter((name) => name !== scope);
    const { key } = await newKey(owner.tenantId, { scopes });
    keys.set(scope, key);
    return key;
  }

  it.each(scoped)("%s is a 403", async (_, route) => {
    if (typeof route.access === "string") throw new Error("filtered above");
    const bearer = await keyWithout(route.access.scope);
    const response = await call(route, { bearer }, NOWHERE);
    await expectRefusal(route, response, [403, "scope_not_allowed"]);
  });
});

describe("to another tenant", () => {
  const withObject = scoped.filter(
    ([, route]) => route.path.includes("/:") && entryOf(route).isShared !== true,
  );
  it.each(withObject)("%s is a 404", async (_, route) => {
    const response = await call(route, credentialOf(route, other), await paramsOf(route));
    expect((await refusal(response))[0]).toBe(404);
  });

  const ofTenant = operated.filter(([, route]) => route.path.includes("/:tenant"));
  it.each(ofTenant)("%s is a 404 at a tenant that is not there", async (_, route) => {
    const params = { ...(await paramsOf(route)), tenant: UNKNOWN_TENANT };
    expect(await refusal(await call(route, ADMIN, params))).toEqual([404, "not_found"]);
  });

  const inTenant = ofTenant.filter(([, route]) => /:tenant.*\/:/.test(route.path));
  it.each(inTenant)("%s finds nothing of the owner's", async (_, route) => {
    const params = { ...(await paramsOf(route)), tenant: other.tenantId };
    expect(await refusal(await call(route, ADMIN, params))).toEqual([404, "not_found"]);
  });
});

describe("to its owner, or the operator", () => {
  it.each(guarded)("%s is open, and audited if it changes something", async (_, route) => {
    const entry = entryOf(route);
    const credential = route.access === "admin" ? ADMIN : credentialOf(route, owner);
    const response = await call(route, credential, await paramsOf(route));
    expect(response.status).toBe(entry.ok);
    await response.body?.cancel();
    const isChanged = route.method !== "GET" && entry.ok < 300 && entry.isData !== true;
    const isChange = isChanged || entry.isNoted === true;
    const entries = await env.CONTROL_DB.prepare(
      "SELECT count(*) AS entries FROM audit_log WHERE request_id = ?",
    )
      .bind(response.headers.get("x-request-id"))
      .first("entries");
    expect(entries).toBe(isChange ? 1 : 0);
  });
});

describe("to a member's session", () => {
  const cookies = new Map<string, string>();
  beforeAll(async () => {
    for (const role of ROLES) {
      const { cookie } = await newMember(owner.tenantId, role, { login: true });
      cookies.set(role, cookie);
    }
  });

  // What computes takes keys alone; of the rest every route knows sessions.
  const managed = scoped.filter(
    ([, { access }]) => typeof access === "object" && scopeSpec(access.scope).roles.length > 0,
  );
  const cases = ROLES.flatMap((role) => managed.map(([name, route]) => ({ role, name, route })));
  it.each(cases)("of a $role: $name", async ({ role, route }) => {
    if (typeof route.access === "string") throw new Error("filtered above");
    const cookie = cookies.get(role) ?? "";
    const isOpen = roleScopes(role).includes(route.access.scope);
    const response = await call(route, { cookie }, isOpen ? await paramsOf(route) : NOWHERE);
    if (isOpen) {
      expect(response.status).toBe(entryOf(route).ok);
      await response.body?.cancel();
    } else expect(await refusal(response)).toEqual([403, "scope_not_allowed"]);
  });
});
