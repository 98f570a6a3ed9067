// What `model` means to whom: over the real control database, with a clock that the test drives.
import type { Result } from "@fairlane/base";
import {
  createAdapter,
  createAdapterVersion,
  finishAdapterVersion,
  grantAdapter,
  openControlDb,
  revokeAdapterGrant,
} from "@fairlane/db";
import type { ApiKeyClaim, ErrorValue } from "@fairlane/protocol";
import { env } from "cloudflare:workers";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { newTenant } from "../../test/live-edge.ts";
import { AdapterNames } from "./adapter-names.ts";
import { resolveModel } from "./resolve-model.ts";

const db = openControlDb(env.CONTROL_DB);
let owner = "";
let friend = "";
let stranger = "";
const [ONE, TWO] = ["1".repeat(64), "2".repeat(64)];
const ADAPTER_ID = "adp_a";

async function version(id: string, digest: string | null): Promise<void> {
  const row = {
    id,
    adapterId: ADAPTER_ID,
    config: "{}",
    weightsBytes: 10,
    partBytes: null,
    uploadId: null,
    createdAtMs: 1,
  };
  await createAdapterVersion(db, row, 10);
  if (digest !== null) await finishAdapterVersion(db, id, digest);
}

const grant = () => ({ adapterId: ADAPTER_ID, tenantId: friend });

beforeAll(async () => {
  const tenants = await Promise.all([newTenant(), newTenant(), newTenant()]);
  [owner = "", friend = "", stranger = ""] = tenants.map(({ tenantId }) => tenantId);
  const name = { id: ADAPTER_ID, tenantId: owner, name: "support", baseModel: "tiny" };
  await createAdapter(db, { ...name, isPinned: true, createdAtMs: 1 }, 10);
  await version("adv_1", ONE);
  await version("adv_2", TWO);
  await version("adv_3", null);
  await grantAdapter(db, { ...grant(), createdAtMs: 1 }, 10);
});

let nowMs = 0;
let queries = 0;
let names: AdapterNames;

beforeEach(() => {
  nowMs = 1_000_000;
  queries = 0;
  const counted = new Proxy(db, {
    get(target, property) {
      if (property === "select") queries += 1;
      return Reflect.get(target, property, target) as unknown;
    },
  });
  names = new AdapterNames(counted, { nowMs: () => nowMs });
});

const claimOf = (tenantId: string): ApiKeyClaim => ({ tenantId, keyId: "key", secretHash: "" });

async function asked(tenantId: string, model: string | undefined) {
  const parsed: Result<{ model?: string | undefined }, ErrorValue> = { ok: true, value: { model } };
  return resolveModel({ adapterNames: names }, claimOf(tenantId), parsed);
}

async function digestOf(tenantId: string, model: string): Promise<string | undefined> {
  const outcome = await asked(tenantId, model);
  if (outcome.ok) return outcome.value.adapterTerm.adapter?.digest;
  expect(outcome.error.code).toBe("model_not_found");
  return undefined;
}

describe("resolveModel", () => {
  it("leaves base models alone and asks nobody", async () => {
    expect(await asked(owner, "tiny")).toEqual({
      ok: true,
      value: { body: { model: "tiny" }, wanted: { model: "tiny" }, adapterTerm: {} },
    });
    expect(await asked(owner, undefined)).toMatchObject({ value: { wanted: undefined } });
    expect(queries).toBe(0);
  });

  it("names the adapter for the node, and base and adapter for admission", async () => {
    expect(await asked(friend, `tiny:${owner}/support@1`)).toEqual({
      ok: true,
      value: {
        body: { model: "tiny" },
        wanted: { model: "tiny", adapter: { id: ADAPTER_ID, ownerTenantId: owner } },
        adapterTerm: {
          adapter: {
            name: `${owner}/support@1`,
            digest: ONE,
            bytes: 10,
            source: `${owner}/adv_1`,
            pinned: true,
          },
        },
      },
    });
  });

  it("takes the latest version that is ready unless one is named", async () => {
    expect(await digestOf(owner, "tiny:support")).toBe(TWO);
    expect(await digestOf(owner, "tiny:support@latest")).toBe(TWO);
    expect(await digestOf(owner, "tiny:support@1")).toBe(ONE);
    expect(await digestOf(owner, "tiny:support@3")).toBeUndefined();
    expect(await digestOf(owner, "tiny:support@4")).toBeUndefined();
  });

  it("is the owner's and the granted tenant's to use, and unknown to any other", async () => {
    for (const [tenantId, digest] of [
      [owner, TWO],
      [friend, TWO],
      [stranger, undefined],
    ] as const) {
      expect(await digestOf(tenantId, `tiny:${owner}/support`), tenantId).toBe(digest);
    }
    // Without an owner it is one's own name.
    expect(await digestOf(friend, "tiny:support")).toBeUndefined();
    expect(await digestOf(owner, "other:support")).toBeUndefined();
    expect(await digestOf(owner, "tiny:no such")).toBeUndefined();
  });

  it("asks once in ten seconds, and goes by a revoked grant no longer than that", async () => {
    const model = `tiny:${owner}/support`;
    expect(await digestOf(friend, model)).toBe(TWO);
    expect(queries).toBe(1);
    await revokeAdapterGrant(db, grant());
    nowMs += 9_999;
    expect(await digestOf(friend, model)).toBe(TWO);
    expect(queries).toBe(1);
    nowMs += 1;
    expect(await digestOf(friend, model)).toBeUndefined();
    // The isolate that changes something knows at once; the others within two seconds.
    await grantAdapter(db, { ...grant(), createdAtMs: 1 }, 10);
    expect(await digestOf(friend, model)).toBeUndefined();
    names.forget(owner);
    expect(await digestOf(friend, model)).toBe(TWO);
  });

  it("asks for a bounded number of unknown names of one tenant, and of others still", async () => {
    for (let index = 0; index < 64; index++) {
      expect(await digestOf(stranger, `tiny:nothing-${index}`)).toBeUndefined();
    }
    await expect(asked(stranger, "tiny:nothing-64")).rejects.toMatchObject({
      value: { code: "rate_limit_requests", retryAfterMs: 2_000 },
    });
    expect(queries).toBe(64);
    expect(await digestOf(owner, "tiny:support")).toBe(TWO);
    nowMs += 2_000;
    expect(await digestOf(stranger, "tiny:nothing-64")).toBeUndefined();
  });
});
