import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { uniqueId } from "../../test/hub-request.ts";
import { accountOf, admitInput, holdOf, makeAccount } from "../../test/usage.ts";

const KEY = { keyHash: "aa".repeat(32), bodyHash: "bb".repeat(32) };
const REF = { projectId: "prj_a", keyHash: KEY.keyHash, requestId: "req_1" };

async function account() {
  const tenantId = uniqueId("ten");
  await makeAccount(tenantId);
  const admit = (requestId: string, change: object = {}) =>
    accountOf(tenantId).admit(admitInput(tenantId, { requestId, idempotency: KEY, ...change }));
  return { tenantId, admit, object: () => accountOf(tenantId) };
}

describe("idempotency keys", () => {
  it("are claimed by one of many that come at once, over a restart too", async () => {
    const { admit, object } = await account();
    const outcomes = await Promise.all(["req_1", "req_2", "req_3"].map((id) => admit(id)));
    const running = { ok: true, idempotent: { requestId: "req_1", state: "running" } };
    expect(outcomes.slice(1)).toMatchObject([running, running]);
    expect(outcomes[0]?.ok && outcomes[0].idempotent).toBeUndefined();
    // One ran, so one is held; the others counted as requests.
    expect(outcomes[2]?.rates).toMatchObject({ remainingRequests: 597 });
    expect(outcomes[2]?.rates?.remainingTokens).toBeGreaterThanOrEqual(99_900);
    // The same request asked again goes on.
    const again = await admit("req_1");
    expect(again.ok && again.idempotent).toBeUndefined();
    await evictDurableObject(object());
    expect(await admit("req_4")).toMatchObject(running);
    await object().finishIdempotent(REF);
    expect(await admit("req_5")).toMatchObject({ idempotent: { state: "finished" } });
  });

  it("wake those who wait when the request ends either way", async () => {
    const { admit, object } = await account();
    await admit("req_1");
    const waiting = object().awaitIdempotent(REF, 10_000);
    await object().finishIdempotent(REF);
    expect(await waiting).toBe("finished");
    expect(await object().awaitIdempotent({ ...REF, requestId: "req_9" }, 1)).toBe("forgotten");
    const other = await account();
    await other.admit("req_1");
    expect(await other.object().awaitIdempotent(REF, 1)).toBe("running");
    const second = other.object().awaitIdempotent(REF, 10_000);
    await other.object().forgetIdempotent(REF);
    expect(await second).toBe("forgotten");
    expect(await other.admit("req_2")).toMatchObject({ ok: true });
    // The first one's end says nothing of the second's.
    await other.object().finishIdempotent(REF);
    expect(await other.admit("req_3")).toMatchObject({ idempotent: { requestId: "req_2" } });
  });

  it("of a request that was interrupted are not computed again, until their day is over", async () => {
    const { admit, object } = await account();
    await admit("req_1", { hold: holdOf({ leaseUntilMs: Date.now() }) });
    await expect
      .poll(() => admit("req_2"))
      .toMatchObject({ ok: false, error: { code: "idempotency_result_lost" } });
    await runInDurableObject(object(), (_, { storage }) => {
      storage.sql.exec("UPDATE idempotency SET expires_ms = 0");
    });
    const next = await admit("req_3");
    expect(next.ok && next.idempotent).toBeUndefined();
  });

  it("are claimed by nothing that is refused or computes nothing", async () => {
    const { tenantId, admit, object } = await account();
    await admit("req_0", { hold: null });
    await admit("req_1", { hold: holdOf({ promptTokensMax: 90_000 }) });
    await object().forgetIdempotent(REF);
    // No tokens are left for it.
    const refused = await admit("req_2", { hold: holdOf({ promptTokensMax: 90_000 }) });
    expect(refused).toMatchObject({ ok: false, error: { code: "rate_limit_tokens" } });
    const count = await runInDurableObject(accountOf(tenantId), (_, { storage }) =>
      storage.sql.exec<{ n: number }>("SELECT count(*) AS n FROM idempotency").one(),
    );
    expect(count).toEqual({ n: 0 });
  });

  it("are bounded: those whose day is over make room", async () => {
    const { tenantId, admit, object } = await account();
    await runInDurableObject(accountOf(tenantId), (_, { storage }) => {
      storage.sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
         INSERT INTO idempotency SELECT 'key_' || i, '', 'req', 1, 0, 9e15 FROM n`,
      );
    });
    await evictDurableObject(object());
    expect(await admit("req_1")).toMatchObject({
      ok: false,
      error: { code: "too_many_idempotency_keys" },
    });
    await runInDurableObject(object(), (_, { storage }) => {
      storage.sql.exec("UPDATE idempotency SET expires_ms = 0");
    });
    expect(await admit("req_1")).toMatchObject({ ok: true });
  });
});
