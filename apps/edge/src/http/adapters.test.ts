// Adapters through the public API over the real account, hub, D1 and bucket: what an owner can do, and beside it what a
// tenant with a grant and a tenant without one can not.
import { openControlDb, readAudit } from "@fairlane/db";
import { adapterDigest, adapterObjects } from "@fairlane/protocol";
import { env, exports } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { codeOf, newKey, newTenant, send, type TestTenant } from "../../test/live-edge.ts";
import { PEFT_CONFIG, weightsFile } from "../../test/peft-adapter.ts";

const ROOT = "/v1/fairlane/adapters";
const UNKNOWN_ID = "adp_01jd0000000000000000000009";
const MIB = 1024 * 1024;

interface Caller {
  readonly tenantId: string;
  readonly key: string;
}

let owner: Caller;
let granted: Caller;
let other: Caller;

async function caller(): Promise<Caller> {
  const tenant: TestTenant = await newTenant();
  const scopes = ["inference", "adapters:read", "adapters:manage"];
  const { key } = await newKey(tenant.tenantId, { scopes });
  return { tenantId: tenant.tenantId, key };
}

beforeAll(async () => {
  [owner, granted, other] = await Promise.all([caller(), caller(), caller()]);
});

const call = (who: Caller, method: string, path: string, body?: unknown) =>
  send(method, `${ROOT}${path}`, { credential: who.key, body });

/** A body of bytes, as `fetch(url, { body: file })` sends it. */
function put(who: Caller, path: string, body: BodyInit): Promise<Response> {
  const headers = { authorization: `Bearer ${who.key}` };
  const request = new Request(`https://edge.test${ROOT}${path}`, { method: "PUT", headers, body });
  return exports.default.fetch(request);
}

async function outcome(response: Response): Promise<[number, string]> {
  return [response.status, await codeOf(response)];
}

let lastName = 0;
/** A new adapter of the caller's; its id. */
async function adapterOf(who: Caller, name = `adapter-${++lastName}`): Promise<string> {
  const response = await call(who, "POST", "", { name, base_model: "tiny" });
  expect(response.status).toBe(201);
  return (await response.json<{ id: string }>()).id;
}

/** A version that is ready; its digest. */
async function upload(who: Caller, id: string, file = weightsFile()): Promise<string> {
  const wanted = { config: PEFT_CONFIG, bytes: file.length };
  const announced = await call(who, "POST", `/${id}/versions`, wanted);
  expect(announced.status).toBe(201);
  const { version } = await announced.json<{ version: number }>();
  const stored = await put(who, `/${id}/versions/${version}/content`, file);
  expect(stored.status).toBe(200);
  return (await stored.json<{ digest: string }>()).digest;
}

async function sha256(bytes: BufferSource): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

describe("an adapter", () => {
  it("is created, uploaded and described with the digest of its content", async () => {
    const id = await adapterOf(owner, "support");
    const file = weightsFile();
    const digest = await upload(owner, id, file);
    const weightsSha256 = await sha256(file);
    expect(digest).toBe(await adapterDigest({ config: PEFT_CONFIG, weightsSha256 }));
    const described = await call(owner, "GET", `/${id}`);
    const name = `${owner.tenantId}/support`;
    expect(await described.json()).toEqual({
      object: "fairlane.adapter",
      id,
      name: "support",
      owner: owner.tenantId,
      access: "owner",
      base_model: "tiny",
      model: `tiny:${name}`,
      latest_version: 1,
      pinned: false,
      residency: [],
      created_at_ms: expect.any(Number) as number,
      versions: [
        {
          object: "fairlane.adapter_version",
          id: expect.stringMatching(/^adv_/) as string,
          adapter_id: id,
          version: 1,
          state: "ready",
          model: `tiny:${name}@1`,
          digest,
          bytes: file.length,
          upload: null,
          created_at_ms: expect.any(Number) as number,
        },
      ],
      granted_to: [],
    });
  });

  it("keeps its content where nodes pull it from, its configuration under the digest", async () => {
    const id = await adapterOf(owner);
    const file = weightsFile();
    const digest = await upload(owner, id, file);
    const described = await (
      await call(owner, "GET", `/${id}`)
    ).json<{ versions: { id: string }[] }>();
    const versionId = described.versions[0]?.id ?? "";
    const keys = adapterObjects({ tenantId: owner.tenantId, versionId });
    const config = await env.ARTIFACTS.get(keys.config);
    expect(config?.customMetadata).toEqual({ digest });
    expect(await config?.json()).toEqual(PEFT_CONFIG);
    const read = await call(owner, "GET", `/${id}/versions/1/content`);
    expect(new Uint8Array(await read.arrayBuffer())).toEqual(file);
    // Deleted, nothing of it is left.
    expect((await call(owner, "DELETE", `/${id}`)).status).toBe(200);
    expect(await env.ARTIFACTS.head(keys.config)).toBeNull();
    expect(await env.ARTIFACTS.head(keys.weights)).toBeNull();
    expect(await outcome(await call(owner, "GET", `/${id}`))).toEqual([404, "not_found"]);
  });

  it("is uploaded in parts, in any order, a part twice", async () => {
    const id = await adapterOf(owner);
    const file = weightsFile(900_000, 3);
    const wanted = { config: PEFT_CONFIG, bytes: file.length, part_bytes: 5 * MIB };
    const announced = await call(owner, "POST", `/${id}/versions`, wanted);
    expect(await announced.json()).toMatchObject({
      state: "uploading",
      upload: { part_bytes: 5 * MIB, part_count: 2 },
    });
    const version = `/${id}/versions/1`;
    const incomplete = () => call(owner, "POST", `${version}/complete`);
    const [first, second] = [file.slice(0, 5 * MIB), file.slice(5 * MIB)];
    expect((await put(owner, `${version}/parts/2`, second)).status).toBe(200);
    expect(await outcome(await incomplete())).toEqual([400, "invalid_value"]);
    expect(await outcome(await put(owner, `${version}/parts/3`, second))).toEqual([
      400,
      "invalid_value",
    ]);
    expect((await put(owner, `${version}/parts/1`, first)).status).toBe(200);
    expect((await put(owner, `${version}/parts/1`, first)).status).toBe(200);
    const completed = await incomplete();
    const weightsSha256 = await sha256(file);
    expect(await completed.json()).toMatchObject({
      state: "ready",
      digest: await adapterDigest({ config: PEFT_CONFIG, weightsSha256 }),
    });
    const read = await call(owner, "GET", `${version}/content`);
    expect(await sha256(await read.arrayBuffer())).toBe(weightsSha256);
  });

  it("is in the audit log with all that was done to it", async () => {
    const id = await adapterOf(owner);
    await upload(owner, id);
    await call(owner, "PATCH", `/${id}`, { pinned: true });
    await call(owner, "PUT", `/${id}/grants/${granted.tenantId}`);
    await call(granted, "DELETE", `/${id}`);
    await call(owner, "DELETE", `/${id}/grants/${granted.tenantId}`);
    await call(owner, "DELETE", `/${id}`);
    const page = { tenantId: owner.tenantId, entriesMax: 100 };
    const entries = (await readAudit(openControlDb(env.CONTROL_DB), page)).filter(
      ({ target }) => target === id,
    );
    expect(entries.every(({ actorKind }) => actorKind === "key")).toBe(true);
    // Entries of one millisecond have no order of their own.
    expect(entries.map(({ action }) => action).toSorted()).toEqual([
      "adapter.changed",
      "adapter.created",
      "adapter.deleted",
      "adapter.grant_revoked",
      "adapter.granted",
      "adapter.version_added",
    ]);
  });

  it("has versions that never change", async () => {
    const id = await adapterOf(owner);
    await upload(owner, id);
    const again = await put(owner, `/${id}/versions/1/content`, weightsFile(8, 2));
    expect(await outcome(again)).toEqual([409, "already_exists"]);
    await upload(owner, id, weightsFile(8, 2));
    const described = await (
      await call(owner, "GET", `/${id}`)
    ).json<{ latest_version: number; versions: { version: number; digest: string }[] }>();
    expect(described.latest_version).toBe(2);
    expect(described.versions.map(({ version }) => version)).toEqual([2, 1]);
    expect(new Set(described.versions.map(({ digest }) => digest)).size).toBe(2);
  });

  it.each([
    ["a body that is too short", (file: Uint8Array) => file.slice(0, -1), "invalid_value"],
    [
      "a body that is too long",
      (file: Uint8Array) => new Uint8Array([...file, 0]),
      "invalid_value",
    ],
    ["a header out of bounds", (file: Uint8Array) => file.fill(255, 0, 8), "invalid_adapter"],
    ["a header that is no JSON", (file: Uint8Array) => file.fill(33, 8, 20), "invalid_adapter"],
  ])("refuses %s, and takes the right one afterwards", async (_, spoil, code) => {
    const id = await adapterOf(owner);
    const file = weightsFile();
    const wanted = { config: PEFT_CONFIG, bytes: file.length };
    await call(owner, "POST", `/${id}/versions`, wanted);
    const content = `/${id}/versions/1/content`;
    expect(await outcome(await put(owner, content, spoil(weightsFile()) as BodyInit))).toEqual([
      400,
      code,
    ]);
    expect((await put(owner, content, file)).status).toBe(200);
  });

  it.each([
    [{ ...PEFT_CONFIG, r: 257 }, 100, "config.r"],
    [{ ...PEFT_CONFIG, peft_type: "IA3" }, 100, "config.peft_type"],
    [{ ...PEFT_CONFIG, use_dora: true }, 100, "config.use_dora"],
    [{ ...PEFT_CONFIG, bias: "all" }, 100, "config.bias"],
    [PEFT_CONFIG, 2 * 1024 ** 3 + 1, "bytes"],
    [PEFT_CONFIG, 0, "bytes"],
  ])("refuses to announce %j of %d bytes", async (config, bytes, param) => {
    const id = await adapterOf(owner);
    const response = await call(owner, "POST", `/${id}/versions`, { config, bytes });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param } });
  });

  it.each(["Support", "", "-a", "a/b", "a@1", "a".repeat(65)])(
    "cannot be named %j",
    async (name) => {
      const response = await call(owner, "POST", "", { name, base_model: "tiny" });
      expect(response.status).toBe(400);
    },
  );

  it("has a name of its own among its owner's, not among all", async () => {
    await adapterOf(owner, "twice");
    const again = await call(owner, "POST", "", { name: "twice", base_model: "tiny" });
    expect(await outcome(again)).toEqual([409, "already_exists"]);
    await adapterOf(other, "twice");
  });
});

describe("who may do what with an adapter", () => {
  it("lets its owner do everything, a tenant with a grant see it, and no other know of it", async () => {
    const id = await adapterOf(owner);
    await upload(owner, id);
    const grant = await call(owner, "PUT", `/${id}/grants/${granted.tenantId}`);
    expect(grant.status).toBe(200);
    const requests: readonly (readonly [string, string, unknown?])[] = [
      ["PATCH", `/${id}`, { pinned: true }],
      ["POST", `/${id}/versions`, { config: PEFT_CONFIG, bytes: 10 }],
      ["POST", `/${id}/versions/1/complete`],
      ["GET", `/${id}/versions/1/content`],
      ["PUT", `/${id}/grants/${other.tenantId}`],
      ["DELETE", `/${id}/grants/${granted.tenantId}`],
      ["DELETE", `/${id}`],
    ];
    for (const [method, path, body] of requests) {
      const [forGranted, forOther] = await Promise.all([
        call(granted, method, path, body),
        call(other, method, path, body),
      ]);
      expect(await outcome(forGranted), `${method} ${path}`).toEqual([403, "adapter_not_allowed"]);
      expect(await outcome(forOther), `${method} ${path}`).toEqual([404, "not_found"]);
    }
    for (const path of [`/${id}/versions/1/content`, `/${id}/versions/1/parts/1`]) {
      expect(await outcome(await put(granted, path, "x"))).toEqual([403, "adapter_not_allowed"]);
      expect(await outcome(await put(other, path, "x"))).toEqual([404, "not_found"]);
    }
    expect(await outcome(await call(other, "GET", `/${id}`))).toEqual([404, "not_found"]);
    const seen = await (await call(granted, "GET", `/${id}`)).json<Record<string, unknown>>();
    expect(seen).toMatchObject({ id, access: "granted", latest_version: 1 });
    expect(Object.keys(seen)).not.toContain("versions");
    expect(Object.keys(seen)).not.toContain("granted_to");
    // The owner's own turn.
    const pinned = await call(owner, "PATCH", `/${id}`, { pinned: true });
    expect(await pinned.json()).toMatchObject({ id, pinned: true });
    for (const [method, path] of [
      ["DELETE", `/${id}/grants/${granted.tenantId}`],
      ["DELETE", `/${id}`],
    ] as const) {
      expect((await call(owner, method, path)).status).toBe(200);
    }
  });

  it("lists one's own and what was granted apart", async () => {
    const id = await adapterOf(owner);
    await upload(owner, id);
    await call(owner, "PUT", `/${id}/grants/${granted.tenantId}`);
    const ids = async (who: Caller, query: string) => {
      const list = await (
        await call(who, "GET", query)
      ).json<{ data: { id: string }[]; has_more: boolean }>();
      expect(list.has_more).toBe(false);
      return list.data.map((adapter) => adapter.id);
    };
    expect(await ids(owner, "")).toContain(id);
    expect(await ids(owner, "?access=granted")).toEqual([]);
    expect(await ids(granted, "")).toEqual([]);
    expect(await ids(granted, "?access=granted")).toEqual([id]);
    expect(await ids(granted, `?access=granted&after=${id}`)).toEqual([]);
    expect(await ids(other, "?access=granted")).toEqual([]);
    expect((await call(other, "GET", "?access=all")).status).toBe(400);
  });

  it("grants to tenants that exist", async () => {
    const id = await adapterOf(owner);
    for (const tenant of ["ten_01jd0000000000000000000008", "nobody"]) {
      const response = await call(owner, "PUT", `/${id}/grants/${tenant}`);
      expect(await outcome(response)).toEqual([404, "not_found"]);
    }
    const own = await call(owner, "PUT", `/${id}/grants/${owner.tenantId}`);
    expect(await outcome(own)).toEqual([400, "invalid_value"]);
    const none = await call(owner, "DELETE", `/${id}/grants/${granted.tenantId}`);
    expect(await outcome(none)).toEqual([404, "not_found"]);
  });

  it("is for keys with the scope", async () => {
    const { key } = await newKey(owner.tenantId, { scopes: ["inference"] });
    const { key: reader } = await newKey(owner.tenantId, { scopes: ["adapters:read"] });
    const id = await adapterOf(owner);
    const ask = (credential: string, method: string, path: string) =>
      send(method, `${ROOT}${path}`, { credential });
    expect(await outcome(await ask(key, "GET", ""))).toEqual([403, "scope_not_allowed"]);
    expect((await ask(reader, "GET", `/${id}`)).status).toBe(200);
    expect(await outcome(await ask(reader, "DELETE", `/${id}`))).toEqual([
      403,
      "scope_not_allowed",
    ]);
    expect(await outcome(await ask(owner.key, "GET", `/${UNKNOWN_ID}`))).toEqual([
      404,
      "not_found",
    ]);
  });
});
