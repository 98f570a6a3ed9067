// The queries of the control database against real D1 (miniflare) with the committed migrations.
import type { D1Database } from "@cloudflare/workers-types";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { markApiKeyRevoked, rotateApiKey } from "./api-key-life.ts";
import { changeApiKey, createApiKey, findApiKey, listApiKeys, type ApiKey } from "./api-keys.ts";
import type { AuditEntry } from "./audit-entry.ts";
import { readAudit } from "./audit.ts";
import { openControlDb, type ControlDb } from "./client.ts";
import { createPrices, currentPrices, findPrices } from "./prices.ts";
import {
  createTenant,
  findDefaultProject,
  findProject,
  findTenant,
  updateTenant,
  type Project,
  type Tenant,
} from "./tenants.ts";

const MIGRATIONS = new URL("../../../migrations/control/", import.meta.url);
const FIRST_VERSION = "plan_01kb0000000000000000000001";

let miniflare: Miniflare;
let d1: D1Database;
let db: ControlDb;

beforeAll(async () => {
  miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: "export default { fetch() { return new Response(null); } };",
      compatibilityDate: "2026-11-01",
      d1Databases: { CONTROL_DB: "control" },
      cf: false,
    }),
  );
  d1 = await miniflare.getD1Database("CONTROL_DB");
  db = openControlDb(d1);
  const files = (await readdir(MIGRATIONS)).filter((name) => name.endsWith(".sql")).toSorted();
  for (const file of files) {
    const sql = await readFile(new URL(file, MIGRATIONS), "utf8");
    await d1.batch(sql.split("--> statement-breakpoint").map((part) => d1.prepare(part)));
  }
});

afterAll(() => miniflare.dispose());

const tenant = (id: string) => ({
  id,
  name: `tenant ${id}`,
  status: "active" as const,
  weight: 2,
  requestsPerMinute: 60,
  tokensPerMinute: 1_000,
  parallelRequests: 4,
  inputTokensPerMinute: null,
  outputTokensPerMinute: 500,
  scopeLimits: [],
  prepaid: false,
  budgets: [],
  webhookUrl: null,
  priceVersionId: FIRST_VERSION,
  createdAtMs: 1_000,
});
let lastNumber = 0;
const audit = (tenantId = "ten_a"): AuditEntry => ({
  id: `aud_${String((lastNumber += 1)).padStart(4, "0")}`,
  atMs: 5_000,
  tenantId,
  actorKind: "operator",
  actorId: "operator",
  action: "key.changed",
  target: "key_a",
  ip: "203.0.113.9",
  requestId: "req_a",
  details: { name: "n", scopes: ["inference"] },
});
const makeTenant = (one: Tenant, first: Project) =>
  createTenant(db, { tenant: one, project: first }, audit(one.id));
const makeKey = (one: ApiKey) => createApiKey(db, one, audit(one.tenantId));
const project = (id: string, tenantId: string, createdAtMs = 1_000) => ({
  id,
  tenantId,
  name: "default",
  createdAtMs,
});
const key = (id: string, tenantId: string, projectId: string) => ({
  id,
  tenantId,
  projectId,
  name: "first",
  secretHash: `hash of ${id}`,
  lastChars: "abcd",
  scopes: ["inference" as const, "usage:read" as const],
  allowedModels: null,
  allowedAdapters: ["adp_a"],
  allowedIps: null,
  rotatedFromId: null,
  graceUntilMs: null,
  expiresAtMs: null,
  revokedAtMs: null,
  createdAtMs: 1_000,
});

const ref = (tenantId: string, keyId: string) => ({ tenantId, keyId });

describe("tenants", () => {
  it("are read back as they were written, with their first project", async () => {
    await makeTenant(tenant("ten_a"), project("prj_a", "ten_a"));
    expect(await findTenant(db, "ten_a")).toEqual(tenant("ten_a"));
    expect(await findDefaultProject(db, "ten_a")).toEqual(project("prj_a", "ten_a"));
    expect(await findTenant(db, "ten_unknown")).toBeUndefined();
    expect(await findDefaultProject(db, "ten_unknown")).toBeUndefined();
  });

  it("are written together with their project or not at all", async () => {
    await makeTenant(tenant("ten_b"), project("prj_b", "ten_b"));
    await expect(makeTenant(tenant("ten_c"), project("prj_b", "ten_c"))).rejects.toThrow(
      "UNIQUE constraint failed: projects.id",
    );
    expect(await findTenant(db, "ten_c")).toBeUndefined();
    await expect(makeTenant(tenant("ten_d"), project("prj_d", "ten_b"))).rejects.toThrow(
      "the first project belongs to the new tenant",
    );
  });

  it("need a price version that exists", async () => {
    const orphan = { ...tenant("ten_e"), priceVersionId: "plan_unknown" };
    await expect(makeTenant(orphan, project("prj_e", "ten_e"))).rejects.toThrow(
      "FOREIGN KEY constraint failed",
    );
  });

  it("are changed in what is given only", async () => {
    await makeTenant(tenant("ten_changed"), project("prj_changed", "ten_changed"));
    const scope = { scopeId: "prj_changed", requestsPerMinute: 5, tokensPerMinute: null };
    const others = { inputTokensPerMinute: null, outputTokensPerMinute: null };
    const scopeLimits = [{ ...scope, ...others, parallelRequests: 1 }];
    await updateTenant(db, "ten_changed", { status: "suspended", scopeLimits });
    const changed = { ...tenant("ten_changed"), status: "suspended", scopeLimits };
    expect(await findTenant(db, "ten_changed")).toEqual(changed);
    expect((await findTenant(db, "ten_a"))?.status).toBe("active");
  });

  it("do not see each other's projects", async () => {
    await makeTenant(tenant("ten_f"), project("prj_f", "ten_f"));
    await makeTenant(tenant("ten_g"), project("prj_g", "ten_g"));
    expect(await findProject(db, "ten_f", "prj_f")).toEqual(project("prj_f", "ten_f"));
    expect(await findProject(db, "ten_g", "prj_f")).toBeUndefined();
  });
});

describe("API keys", () => {
  it("are read back by their own tenant only", async () => {
    await makeTenant(tenant("ten_h"), project("prj_h", "ten_h"));
    await makeKey(key("key_h", "ten_h", "prj_h"));
    expect(await findApiKey(db, "ten_h", "key_h")).toEqual(key("key_h", "ten_h", "prj_h"));
    expect(await findApiKey(db, "ten_a", "key_h")).toBeUndefined();
  });

  it("keep the time of their first revocation, and only their tenant revokes them", async () => {
    await makeTenant(tenant("ten_i"), project("prj_i", "ten_i"));
    await makeKey(key("key_i", "ten_i", "prj_i"));
    const revokedAt = async () => (await findApiKey(db, "ten_i", "key_i"))?.revokedAtMs;
    await markApiKeyRevoked(db, { ...ref("ten_a", "key_i"), revokedAtMs: 2_000 }, audit());
    expect(await revokedAt()).toBeNull();
    await markApiKeyRevoked(db, { ...ref("ten_i", "key_i"), revokedAtMs: 3_000 }, audit());
    await markApiKeyRevoked(db, { ...ref("ten_i", "key_i"), revokedAtMs: 4_000 }, audit());
    expect(await revokedAt()).toBe(3_000);
  });

  it("are changed by their own tenant only", async () => {
    await makeTenant(tenant("ten_l"), project("prj_l", "ten_l"));
    await makeKey(key("key_l", "ten_l", "prj_l"));
    const change = { name: "renamed", allowedModels: ["small"], allowedAdapters: null };
    const foreign = { ...ref("ten_a", "key_l"), change };
    expect(await changeApiKey(db, foreign, audit())).toBeUndefined();
    const changed = { ...key("key_l", "ten_l", "prj_l"), ...change };
    const own = { ...ref("ten_l", "key_l"), change };
    expect(await changeApiKey(db, own, audit())).toEqual(changed);
    expect(await findApiKey(db, "ten_l", "key_l")).toEqual(changed);
  });

  it("are listed in pages, of their own tenant and of one project", async () => {
    await makeTenant(tenant("ten_m"), project("prj_m", "ten_m"));
    for (const id of ["key_m1", "key_m2", "key_m3"]) await makeKey(key(id, "ten_m", "prj_m"));
    const ids = async (page: { projectId?: string; afterId?: string; keysMax: number }) =>
      (await listApiKeys(db, { tenantId: "ten_m", ...page })).map(({ id }) => id);
    expect(await ids({ keysMax: 2 })).toEqual(["key_m1", "key_m2"]);
    expect(await ids({ keysMax: 2, afterId: "key_m2" })).toEqual(["key_m3"]);
    expect(await ids({ keysMax: 9, projectId: "prj_m" })).toHaveLength(3);
    expect(await ids({ keysMax: 9, projectId: "prj_a" })).toEqual([]);
    expect(await listApiKeys(db, { tenantId: "ten_n", keysMax: 9 })).toEqual([]);
  });

  it("are rotated together with their successor or not at all", async () => {
    await makeTenant(tenant("ten_o"), project("prj_o", "ten_o"));
    await makeKey(key("key_o1", "ten_o", "prj_o"));
    const successor = { ...key("key_o2", "ten_o", "prj_o"), rotatedFromId: "key_o1" };
    const old = { graceUntilMs: 9_000, revokedAtMs: null };
    await rotateApiKey(db, { successor, old }, audit("ten_o"));
    expect(await findApiKey(db, "ten_o", "key_o1")).toMatchObject(old);
    expect(await findApiKey(db, "ten_o", "key_o2")).toEqual(successor);
    const twin = { ...successor, id: "key_o3", rotatedFromId: "key_o2" };
    await expect(rotateApiKey(db, { successor: twin, old }, audit("ten_o"))).rejects.toThrow();
    expect(await findApiKey(db, "ten_o", "key_o2")).toEqual(successor);
  });

  it("never share a secret", async () => {
    await makeTenant(tenant("ten_j"), project("prj_j", "ten_j"));
    await makeKey(key("key_j", "ten_j", "prj_j"));
    const twin = { ...key("key_k", "ten_j", "prj_j"), secretHash: "hash of key_j" };
    await expect(makeKey(twin)).rejects.toThrow("UNIQUE constraint failed: api_keys.secret_hash");
  });
});

describe("the audit log", () => {
  it("is read in pages, newest first, by tenant and as a whole", async () => {
    await makeTenant(tenant("ten_p"), project("prj_p", "ten_p"));
    for (const id of ["key_p1", "key_p2"]) await makeKey(key(id, "ten_p", "prj_p"));
    const own = await readAudit(db, { tenantId: "ten_p", entriesMax: 9 });
    expect(own).toHaveLength(3);
    expect(own.map(({ id }) => id)).toEqual(
      own
        .map(({ id }) => id)
        .toSorted()
        .toReversed(),
    );
    expect(own[0]).toMatchObject({
      tenantId: "ten_p",
      actorKind: "operator",
      ip: "203.0.113.9",
      requestId: "req_a",
      details: { name: "n", scopes: ["inference"] },
    });
    const beforeId = own[1]?.id;
    expect(await readAudit(db, { tenantId: "ten_p", beforeId, entriesMax: 9 })).toEqual([own[2]]);
    expect(await readAudit(db, { entriesMax: 3 })).toEqual(own);
    expect(await readAudit(db, { tenantId: "ten_nobody", entriesMax: 9 })).toEqual([]);
  });

  it("has an entry for a change that was made and none for one that failed", async () => {
    const before = await readAudit(db, { tenantId: "ten_p", entriesMax: 9 });
    await expect(makeKey(key("key_p1", "ten_p", "prj_p"))).rejects.toThrow();
    expect(await readAudit(db, { tenantId: "ten_p", entriesMax: 9 })).toEqual(before);
  });

  it("is append-only", async () => {
    for (const sql of ["UPDATE audit_log SET actor_id = 'me'", "DELETE FROM audit_log"]) {
      await expect(d1.prepare(sql).run(), sql).rejects.toThrow("the audit log is append-only");
    }
  });
});

describe("prices", () => {
  const insertPrice = (version: string, model: string, input: number) =>
    d1.prepare("INSERT INTO model_prices VALUES (?, ?, ?, ?, ?)").bind(version, model, input, 1, 2);
  const insertVersion = (version: string, createdAtMs: number) =>
    d1
      .prepare("INSERT INTO price_versions (id, created_at_ms) VALUES (?, ?)")
      .bind(version, createdAtMs);

  it("start with the version that the migrations insert", async () => {
    expect(await currentPrices(db)).toEqual({
      version: FIRST_VERSION,
      batchPercent: 50,
      models: {
        "*": {
          inputNanoUsdPerMillion: 100_000_000,
          cachedInputNanoUsdPerMillion: 50_000_000,
          outputNanoUsdPerMillion: 400_000_000,
        },
      },
    });
  });

  it("never change once their version is there", async () => {
    for (const sql of [
      "UPDATE price_versions SET created_at_ms = 0",
      "DELETE FROM price_versions",
      "UPDATE model_prices SET input_nano_usd_per_million = 0",
      "DELETE FROM model_prices",
    ]) {
      await expect(d1.prepare(sql).run(), sql).rejects.toThrow("price versions are immutable");
    }
    await expect(insertPrice(FIRST_VERSION, "other", 0).run()).rejects.toThrow(
      "the price version is sealed",
    );
  });

  it("are written and sealed as a whole, and found by their version", async () => {
    const price = {
      inputNanoUsdPerMillion: 1,
      cachedInputNanoUsdPerMillion: 2,
      outputNanoUsdPerMillion: 3,
    };
    const prices = { version: "plan_made", batchPercent: 40, models: { "*": price, small: price } };
    await createPrices(db, prices, 1_000);
    expect(await findPrices(db, "plan_made")).toEqual(prices);
    expect(await findPrices(db, "plan_unknown")).toBeUndefined();
    await expect(createPrices(db, prices, 1_000)).rejects.toThrow();
  });

  it("are replaced by a newer version", async () => {
    await d1.batch([
      insertPrice("plan_new", "*", 7),
      insertPrice("plan_new", "small", 5),
      insertVersion("plan_new", 1_893_456_000_000),
    ]);
    const prices = await currentPrices(db);
    expect(prices.version).toBe("plan_new");
    expect(prices.models["*"]?.inputNanoUsdPerMillion).toBe(7);
    expect(prices.models["small"]?.inputNanoUsdPerMillion).toBe(5);
  });
});
