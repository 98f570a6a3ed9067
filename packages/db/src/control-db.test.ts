// The queries of the control database against real D1 (miniflare) with the committed migrations.
import type { D1Database } from "@cloudflare/workers-types";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { changeApiKey, createApiKey, findApiKey, markApiKeyRevoked } from "./api-keys.ts";
import { openControlDb, type ControlDb } from "./client.ts";
import { createPrices, currentPrices, findPrices } from "./prices.ts";
import {
  createTenant,
  findDefaultProject,
  findProject,
  findTenant,
  updateTenant,
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
  priceVersionId: FIRST_VERSION,
  createdAtMs: 1_000,
});
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
  expiresAtMs: null,
  revokedAtMs: null,
  createdAtMs: 1_000,
});

describe("tenants", () => {
  it("are read back as they were written, with their first project", async () => {
    await createTenant(db, tenant("ten_a"), project("prj_a", "ten_a"));
    expect(await findTenant(db, "ten_a")).toEqual(tenant("ten_a"));
    expect(await findDefaultProject(db, "ten_a")).toEqual(project("prj_a", "ten_a"));
    expect(await findTenant(db, "ten_unknown")).toBeUndefined();
    expect(await findDefaultProject(db, "ten_unknown")).toBeUndefined();
  });

  it("are written together with their project or not at all", async () => {
    await createTenant(db, tenant("ten_b"), project("prj_b", "ten_b"));
    await expect(createTenant(db, tenant("ten_c"), project("prj_b", "ten_c"))).rejects.toThrow(
      "UNIQUE constraint failed: projects.id",
    );
    expect(await findTenant(db, "ten_c")).toBeUndefined();
    await expect(createTenant(db, tenant("ten_d"), project("prj_d", "ten_b"))).rejects.toThrow(
      "the first project belongs to the new tenant",
    );
  });

  it("need a price version that exists", async () => {
    const orphan = { ...tenant("ten_e"), priceVersionId: "plan_unknown" };
    await expect(createTenant(db, orphan, project("prj_e", "ten_e"))).rejects.toThrow(
      "FOREIGN KEY constraint failed",
    );
  });

  it("are changed in what is given only", async () => {
    await createTenant(db, tenant("ten_changed"), project("prj_changed", "ten_changed"));
    const scope = { scopeId: "prj_changed", requestsPerMinute: 5, tokensPerMinute: null };
    const others = { inputTokensPerMinute: null, outputTokensPerMinute: null };
    const scopeLimits = [{ ...scope, ...others, parallelRequests: 1 }];
    await updateTenant(db, "ten_changed", { status: "suspended", scopeLimits });
    const changed = { ...tenant("ten_changed"), status: "suspended", scopeLimits };
    expect(await findTenant(db, "ten_changed")).toEqual(changed);
    expect((await findTenant(db, "ten_a"))?.status).toBe("active");
  });

  it("do not see each other's projects", async () => {
    await createTenant(db, tenant("ten_f"), project("prj_f", "ten_f"));
    await createTenant(db, tenant("ten_g"), project("prj_g", "ten_g"));
    expect(await findProject(db, "ten_f", "prj_f")).toEqual(project("prj_f", "ten_f"));
    expect(await findProject(db, "ten_g", "prj_f")).toBeUndefined();
  });
});

describe("API keys", () => {
  it("are read back by their own tenant only", async () => {
    await createTenant(db, tenant("ten_h"), project("prj_h", "ten_h"));
    await createApiKey(db, key("key_h", "ten_h", "prj_h"));
    expect(await findApiKey(db, "ten_h", "key_h")).toEqual(key("key_h", "ten_h", "prj_h"));
    expect(await findApiKey(db, "ten_a", "key_h")).toBeUndefined();
  });

  it("keep the time of their first revocation, and only their tenant revokes them", async () => {
    await createTenant(db, tenant("ten_i"), project("prj_i", "ten_i"));
    await createApiKey(db, key("key_i", "ten_i", "prj_i"));
    const revokedAt = async () => (await findApiKey(db, "ten_i", "key_i"))?.revokedAtMs;
    await markApiKeyRevoked(db, { tenantId: "ten_a", keyId: "key_i" }, 2_000);
    expect(await revokedAt()).toBeNull();
    await markApiKeyRevoked(db, { tenantId: "ten_i", keyId: "key_i" }, 3_000);
    await markApiKeyRevoked(db, { tenantId: "ten_i", keyId: "key_i" }, 4_000);
    expect(await revokedAt()).toBe(3_000);
  });

  it("are changed by their own tenant only", async () => {
    await createTenant(db, tenant("ten_l"), project("prj_l", "ten_l"));
    await createApiKey(db, key("key_l", "ten_l", "prj_l"));
    const change = { name: "renamed", allowedModels: ["small"], allowedAdapters: null };
    const foreign = { tenantId: "ten_a", keyId: "key_l" };
    expect(await changeApiKey(db, foreign, change)).toBeUndefined();
    const changed = { ...key("key_l", "ten_l", "prj_l"), ...change };
    expect(await changeApiKey(db, { tenantId: "ten_l", keyId: "key_l" }, change)).toEqual(changed);
    expect(await findApiKey(db, "ten_l", "key_l")).toEqual(changed);
  });

  it("never share a secret", async () => {
    await createTenant(db, tenant("ten_j"), project("prj_j", "ten_j"));
    await createApiKey(db, key("key_j", "ten_j", "prj_j"));
    const twin = { ...key("key_k", "ten_j", "prj_j"), secretHash: "hash of key_j" };
    await expect(createApiKey(db, twin)).rejects.toThrow('Failed query: insert into "api_keys"');
  });
});

describe("prices", () => {
  const insertPrice = (version: string, model: string, input: number) =>
    d1.prepare("INSERT INTO model_prices VALUES (?, ?, ?, ?, ?)").bind(version, model, input, 1, 2);
  const insertVersion = (version: string, createdAtMs: number) =>
    d1.prepare("INSERT INTO price_versions VALUES (?, ?)").bind(version, createdAtMs);

  it("start with the version that the migrations insert", async () => {
    expect(await currentPrices(db)).toEqual({
      version: FIRST_VERSION,
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
    const prices = { version: "plan_made", models: { "*": price, small: price } };
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
