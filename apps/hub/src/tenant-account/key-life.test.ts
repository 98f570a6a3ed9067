// The life of a key at its authority: rotation, use, and what a key that manages others may reach.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { uniqueId } from "../../test/hub-request.ts";
import { accountOf, admitInput, keyOf, makeAccount } from "../../test/usage.ts";

const HOUR_MS = 3_600_000;
const successor = { keyId: "key_b", secretHash: "7f".repeat(32) };
const farMs = () => Date.now() + 60_000;

const code = (outcome: { ok: true } | { ok: false; error: { code: string } }): string =>
  outcome.ok ? "admitted" : outcome.error.code;

describe("rotation", () => {
  it("gives a successor the old key's terms, and both serve, over a restart too", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    await account.changeKey("key_a", { allowedModels: ["small"] });
    const graceUntilMs = farMs();
    const outcome = await account.rotateKey({ keyId: "key_a", successor, graceUntilMs });
    expect(outcome).toEqual({
      ok: true,
      key: keyOf({ ...successor, allowedModels: ["small"] }),
    });
    await evictDurableObject(account);
    const again = accountOf(tenantId);
    const wanted = { model: "small" };
    for (const key of [{}, successor]) {
      expect(code(await again.admit(admitInput(tenantId, { ...key, wanted })))).toBe("admitted");
    }
    const twice = await again.rotateKey({ keyId: "key_a", successor, graceUntilMs });
    expect(twice).toEqual({ ok: false, reason: "rotated" });
  });

  it("ends the old key with its grace time", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const outcome = await account.rotateKey({ keyId: "key_a", successor, graceUntilMs: 0 });
    expect(outcome.ok).toBe(true);
    expect(code(await account.admit(admitInput(tenantId)))).toBe("invalid_api_key");
    expect(code(await account.admit(admitInput(tenantId, successor)))).toBe("admitted");
  });

  it("is not for keys that are unknown or dead", async () => {
    const account = await makeAccount(uniqueId("ten"));
    await account.putKey(keyOf({ keyId: "key_old", expiresAtMs: 1_000 }));
    const reason = async (keyId: string) => {
      const outcome = await account.rotateKey({ keyId, successor, graceUntilMs: farMs() });
      return outcome.ok ? "rotated" : outcome.reason;
    };
    expect(await reason("key_x")).toBe("unknown");
    expect(await reason("key_old")).toBe("revoked");
  });
});

describe("a key that manages others", () => {
  const manager = { ...keyOf({ scopes: ["inference", "keys:manage"] }), allowedModels: ["small"] };

  it("reaches its project's keys within its own terms", async () => {
    const account = await makeAccount(uniqueId("ten"));
    await account.putKey(keyOf({ keyId: "key_in", allowedModels: ["small"] }));
    await account.putKey(keyOf({ keyId: "key_out", projectId: "prj_b" }));
    const wider = { ok: false, reason: "wider", term: "allowedModels" };
    expect((await account.changeKey("key_in", { allowedModels: [] }, manager)).ok).toBe(true);
    expect(await account.changeKey("key_in", { allowedModels: null }, manager)).toEqual(wider);
    // key_a may use every model, so its new secret would.
    const rotation = { keyId: "key_a", successor, graceUntilMs: farMs() };
    expect(await account.rotateKey(rotation, manager)).toEqual(wider);
    const unknown = { ok: false, reason: "unknown" };
    expect(await account.changeKey("key_out", {}, manager)).toEqual(unknown);
    expect(await account.revokeKey("key_out", manager)).toBe(false);
    expect(await account.revokeKey("key_a", manager)).toBe(true);
  });
});

describe("authorisation of a route that computes nothing", () => {
  it("tells who calls and what binds it, and counts as a request", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId, { requestsPerMinute: 2 });
    const { requestId, keyId, secretHash } = admitInput(tenantId);
    const ask = (scope: "inference" | "keys:read" | null) =>
      account.authorize({ requestId, tenantId, claim: { kind: "key", keyId, secretHash }, scope });
    expect(await ask("keys:read")).toMatchObject({
      ok: false,
      error: { code: "scope_not_allowed" },
    });
    const outcome = await ask("inference");
    expect(outcome).toMatchObject({
      ok: true,
      weight: 3,
      caller: {
        tenantId,
        actor: { kind: "key", id: "key_a" },
        manager: { projectId: "prj_a", scopes: ["inference"], allowedModels: null },
      },
      rates: { remainingRequests: 1 },
    });
    expect(JSON.stringify(outcome)).not.toContain(secretHash);
    await ask("inference");
    expect(code(await ask("inference"))).toBe("rate_limit_requests");
  });
});

describe("the last use of a key", () => {
  it("is known at once, to the hour, and kept without a commit of the admission", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    expect(await account.keyUses()).toEqual([]);
    const written = () =>
      runInDurableObject(
        account,
        (_, { storage }) =>
          storage.sql.exec<{ uses: number }>("SELECT count(*) AS uses FROM key_uses").one().uses,
      );
    const beforeMs = Date.now();
    await account.admit(admitInput(tenantId));
    await account.admit(admitInput(tenantId, { keyId: "key_unknown" }));
    expect(await written()).toBe(0);
    const [use, ...rest] = await account.keyUses();
    expect(rest).toEqual([]);
    expect(use?.keyId).toBe("key_a");
    expect((use?.lastUsedMs ?? 1) % HOUR_MS).toBe(0);
    expect(use?.lastUsedMs).toBeGreaterThan(beforeMs - HOUR_MS);
    // Written a while after the admission.
    await expect.poll(written, { timeout: 10_000 }).toBe(1);
    await evictDurableObject(account);
    expect(await accountOf(tenantId).keyUses()).toEqual([use]);
  });
});
