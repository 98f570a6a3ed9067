import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { macFields, toHex } from "@fairlane/base";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { hubRequest, openStream, uniqueId } from "../../test/hub-request.ts";
import { TestNode } from "../../test/test-node.ts";
import {
  admitInput,
  accountOf,
  configOf,
  holdOf,
  keyOf,
  makeAccount,
  recordOf,
} from "../../test/usage.ts";

const code = (outcome: { ok: true } | { ok: false; error: { code: string } }): string =>
  outcome.ok ? "admitted" : outcome.error.code;

describe("admission of a key", () => {
  it("tells who calls, on which terms, with a salt of the tenant's own", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const outcome = await account.admit(admitInput(tenantId));
    expect(outcome).toMatchObject({
      ok: true,
      principal: {
        tenantId,
        projectId: "prj_a",
        keyId: "key_a",
        weight: 3,
        priceVersion: "plan_a",
      },
    });
    const salt = outcome.ok ? outcome.principal.tenantSalt : "";
    expect(salt).toMatch(/^[0-9a-f]{64}$/);
    const other = uniqueId("ten");
    const otherOutcome = await (await makeAccount(other)).admit(admitInput(other));
    expect(otherOutcome.ok && otherOutcome.principal.tenantSalt).not.toBe(salt);
  });

  it("turns away unknown, foreign and revoked keys alike, and says nothing of the limits", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const refused = {
      ok: false,
      error: { code: "invalid_api_key", message: "The API key is not valid.", param: null },
      rates: null,
    };
    const wrong = [{ keyId: "key_x" }, { secretHash: "00".repeat(32) }, { tenantId: "ten_other" }];
    for (const change of wrong) {
      expect(await account.admit(admitInput(tenantId, change))).toEqual(refused);
    }
    expect(code(await account.admit(admitInput(tenantId)))).toBe("admitted");
    expect(await account.revokeKey("key_a")).toBe(true);
    expect(await account.revokeKey("key_a")).toBe(true);
    expect(await account.revokeKey("key_x")).toBe(false);
    expect(await account.admit(admitInput(tenantId))).toEqual(refused);
    const nobody = uniqueId("ten");
    expect(await accountOf(nobody).admit(admitInput(nobody))).toEqual(refused);
  });

  it("derives salt and retained key from the account's tenant, whoever asks first", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    await account.admit(admitInput(tenantId, { tenantId: "ten_other" }));
    const outcome = await account.admit(admitInput(tenantId));
    const mac = await macFields(env.SALT_SECRET, "fairlane-tenant-salt-v1", [tenantId]);
    expect(outcome.ok && outcome.principal.tenantSalt).toBe(toHex(mac));
    const keyMac = await macFields(env.SALT_SECRET, "fairlane-retained-key-v1", [tenantId]);
    expect(outcome.ok && outcome.principal.retainedKey).toBe(toHex(keyMac));
  });

  it("ends what runs and waits for a revoked key on every shard, and nothing else", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const streams: Promise<Response>[] = [];
    const nodes: TestNode[] = [];
    for (const shard of [0, 1]) {
      const hub = env.REGION_HUB.getByName(`local:${shard}`);
      const node = await TestNode.link(hub, "node-a");
      nodes.push(node);
      streams.push(openStream(hub, hubRequest({ tenantId, keyId: "key_a" })));
      await node.accept();
      streams.push(openStream(hub, hubRequest({ tenantId, keyId: "key_a" })));
      await node.next("submit");
    }
    const others = [hubRequest({ tenantId, keyId: "key_b" }), hubRequest({ tenantId: "ten_z" })];
    const hub = env.REGION_HUB.getByName("local:0");
    const kept = [];
    for (const request of others) {
      kept.push(openStream(hub, request));
      await nodes[0]?.accept();
    }
    expect(await account.revokeKey("key_a")).toBe(true);
    const answers = await Promise.all(streams);
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 200, 401]);
    for (const answer of answers) expect(await answer.text()).toContain("The API key was revoked.");
    // Admitted just before the revocation, and here just after it.
    expect((await openStream(hub, hubRequest({ tenantId }))).status).toBe(401);
    for (const node of nodes) {
      await node.next("cancel");
      await node.next("cancel");
    }
    for (const [index, { requestId }] of others.entries()) {
      nodes[0]?.done(requestId, 0);
      expect(await (await kept[index])?.text()).toContain("[DONE]");
    }
  });

  it("ends all work of a tenant that is suspended, and nobody else's", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const hub = env.REGION_HUB.getByName("local:1");
    // Replaces the link that an earlier test left.
    const node = await TestNode.link(hub, "node-a");
    const running = openStream(hub, hubRequest({ tenantId, keyId: "key_a" }));
    await node.accept();
    const waiting = openStream(hub, hubRequest({ tenantId, keyId: "key_b" }));
    await node.next("submit");
    const kept = hubRequest({ tenantId: "ten_z" });
    const other = openStream(hub, kept);
    await node.accept();
    await account.configure(configOf(tenantId, { active: false }));
    expect([(await running).status, (await waiting).status]).toEqual([200, 403]);
    expect(await (await running).text()).toContain('"code":"tenant_suspended"');
    expect((await openStream(hub, hubRequest({ tenantId }))).status).toBe(403);
    node.done(kept.requestId, 0);
    expect(await (await other).text()).toContain("[DONE]");
  });

  it("keeps a revocation over a restart", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    await account.revokeKey("key_a");
    await evictDurableObject(account);
    expect(code(await accountOf(tenantId).admit(admitInput(tenantId)))).toBe("invalid_api_key");
  });

  it("names expiry, suspension and a missing scope", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    await account.putKey(keyOf({ keyId: "key_old", expiresAtMs: 1_000 }));
    expect(code(await account.admit(admitInput(tenantId, { keyId: "key_old" })))).toBe(
      "api_key_expired",
    );
    expect(code(await account.admit(admitInput(tenantId, { scope: "keys:manage" })))).toBe(
      "scope_not_allowed",
    );
    await account.configure(configOf(tenantId, { active: false }));
    expect(code(await account.admit(admitInput(tenantId)))).toBe("tenant_suspended");
  });

  it("follows a change of the key's terms at once and over a restart, unless it is revoked", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const wanted = { model: "large" };
    expect(await account.changeKey("key_a", { allowedModels: ["small"] })).toEqual({
      ok: true,
      key: keyOf({ allowedModels: ["small"] }),
    });
    expect(code(await account.admit(admitInput(tenantId, { wanted })))).toBe("model_not_allowed");
    await evictDurableObject(account);
    const again = accountOf(tenantId);
    expect(code(await again.admit(admitInput(tenantId, { wanted })))).toBe("model_not_allowed");
    await again.changeKey("key_a", { allowedModels: null });
    expect(code(await again.admit(admitInput(tenantId, { wanted })))).toBe("admitted");
    expect(await again.changeKey("key_x", {})).toEqual({ ok: false, reason: "unknown" });
    await again.revokeKey("key_a");
    const late = await again.changeKey("key_a", { expiresAtMs: null });
    expect(late).toEqual({ ok: false, reason: "revoked" });
    expect(code(await again.admit(admitInput(tenantId, { wanted })))).toBe("invalid_api_key");
  });

  it("takes no more live keys than its bound, and forgets a dead one first", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const more = Array.from({ length: 999 }, (_, index) => keyOf({ keyId: `key_${index}` }));
    // In one visit: a thousand calls are slow on a busy machine.
    await runInDurableObject(account, async (instance) => {
      for (const key of more) await instance.putKey(key);
    });
    expect(await account.putKey(keyOf({ keyId: "key_more" }))).toBe(false);
    await account.revokeKey("key_7");
    expect(await account.putKey(keyOf({ keyId: "key_more" }))).toBe(true);
    expect(await account.putKey(keyOf({ keyId: "key_even_more" }))).toBe(false);
  });
});

describe("limits", () => {
  it("count down with each admission and come back with a release", async () => {
    const tenantId = uniqueId("ten");
    // One a minute refills too slowly to be seen here.
    const limits = { requestsPerMinute: 3, tokensPerMinute: 250, parallelRequests: 8 };
    const account = await makeAccount(tenantId, limits);
    const first = await account.admit(admitInput(tenantId, { requestId: "req_1" }));
    expect(first.rates).toMatchObject({
      limitRequests: 3,
      remainingRequests: 2,
      limitTokens: 250,
      remainingTokens: 150,
    });
    expect(first.rates?.resetRequestsMs).toBeGreaterThan(19_000);
    expect(first.rates?.resetRequestsMs).toBeLessThanOrEqual(20_000);
    const second = await account.admit(admitInput(tenantId, { requestId: "req_2" }));
    expect(second.rates).toMatchObject({ remainingRequests: 1, remainingTokens: 50 });
    const third = await account.admit(admitInput(tenantId, { requestId: "req_3" }));
    expect(third).toMatchObject({
      ok: false,
      error: { code: "rate_limit_tokens", param: null },
      rates: { remainingRequests: 1, remainingTokens: 50 },
    });
    expect(third.ok ? 0 : third.error.retryAfterMs).toBeGreaterThan(11_000);
    await account.release("req_1");
    await account.release("req_1");
    await account.release("req_unknown");
    const fourth = await account.admit(admitInput(tenantId, { requestId: "req_4" }));
    expect(fourth).toMatchObject({
      ok: true,
      rates: { remainingRequests: 0, remainingTokens: 50 },
    });
    const fifth = await account.admit(admitInput(tenantId, { requestId: "req_5", hold: null }));
    expect(code(fifth)).toBe("rate_limit_requests");
  });

  it("take nothing again when the same request is asked for again", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId, { requestsPerMinute: 3, tokensPerMinute: 250 });
    await account.admit(admitInput(tenantId));
    const again = await account.admit(admitInput(tenantId));
    expect(again.rates).toMatchObject({ remainingRequests: 2, remainingTokens: 150 });
  });

  it("that are out of range are not taken over", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    await runInDurableObject(account, async (instance) => {
      const wrong = configOf(tenantId, { tokensPerMinute: 0 });
      await expect(instance.configure(wrong)).rejects.toThrow("a limit per minute is 1 to");
    });
    await evictDurableObject(account);
    expect(code(await accountOf(tenantId).admit(admitInput(tenantId)))).toBe("admitted");
  });

  it("let a request that may take more than a minute's tokens wait for a full bucket, not for ever", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId, { tokensPerMinute: 250 });
    const hold = holdOf({ promptTokensMax: 1_000 });
    const outcome = await account.admit(admitInput(tenantId, { hold }));
    expect(outcome).toMatchObject({ ok: true, rates: { remainingTokens: 0 } });
  });

  it("bound what runs in parallel, until a settlement, a release or the lease's end", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId, { parallelRequests: 2 });
    const admit = (requestId: string, leaseUntilMs = Date.now() + 60_000) =>
      account.admit(admitInput(tenantId, { requestId, hold: holdOf({ leaseUntilMs }) }));
    expect(code(await admit("req_1"))).toBe("admitted");
    expect(code(await admit("req_2", Date.now() + 50))).toBe("admitted");
    const third = await admit("req_3");
    expect(third).toMatchObject({
      ok: false,
      error: { code: "too_many_parallel_requests", retryAfterMs: 1_000 },
    });
    // Routes that compute nothing are not in the way.
    expect(code(await account.admit(admitInput(tenantId, { hold: null })))).toBe("admitted");
    await expect.poll(async () => code(await admit("req_3"))).toBe("admitted");
    const records = [recordOf(tenantId, 1, { request_id: "req_1" })];
    await account.settleMany({ nodeId: "node-a", epoch: 1, records });
    expect(code(await admit("req_4"))).toBe("admitted");
    expect(code(await admit("req_5"))).toBe("too_many_parallel_requests");
    await account.release("req_3");
    expect(code(await admit("req_5"))).toBe("admitted");
  });

  it("are corrected from the estimate to what was used", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId, { tokensPerMinute: 250 });
    await account.admit(admitInput(tenantId, { requestId: "req_1" }));
    const records = [recordOf(tenantId, 1, { request_id: "req_1" })];
    await account.settleMany({ nodeId: "node-a", epoch: 1, records });
    // 250 - (10 + 4 + 5) used.
    const next = await account.admit(admitInput(tenantId, { requestId: "req_2", hold: null }));
    expect(next.rates?.remainingTokens).toBe(231);
  });

  it("follow a changed configuration at once, and keep what is taken", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId, { requestsPerMinute: 10, tokensPerMinute: 1_000 });
    await account.admit(admitInput(tenantId, { requestId: "req_1" }));
    await account.configure(configOf(tenantId, { requestsPerMinute: 4, tokensPerMinute: 300 }));
    const next = await account.admit(admitInput(tenantId, { requestId: "req_2" }));
    expect(next.rates).toMatchObject({
      limitRequests: 4,
      remainingRequests: 2,
      limitTokens: 300,
      remainingTokens: 100,
    });
  });

  it("commit a cover now and then, and most admissions nothing", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const changes = () =>
      runInDurableObject(account, (_, { storage }) => {
        const counted = storage.sql.exec<{ n: number }>("SELECT total_changes() AS n");
        return counted.one().n;
      });
    const before = await changes();
    const leaseUntilMs = Date.now() + 60_000;
    for (let i = 0; i < 8; i++) {
      const hold = holdOf({ leaseUntilMs: leaseUntilMs + i });
      await account.admit(admitInput(tenantId, { requestId: `req_${i}`, hold }));
    }
    await account.release("req_0");
    expect((await changes()) - before).toBe(1);
  });
});

describe("limits of a project and of a key", () => {
  const none = {
    requestsPerMinute: null,
    tokensPerMinute: null,
    inputTokensPerMinute: null,
    outputTokensPerMinute: null,
    parallelRequests: null,
  };
  const admitAs = (tenantId: string, keyId: string, requestId: string) =>
    accountOf(tenantId).admit(admitInput(tenantId, { keyId, requestId }));

  it("hold for them alone, beside the tenant's, and the headers tell what is nearest", async () => {
    const tenantId = uniqueId("ten");
    const project = { ...none, scopeId: "prj_a", parallelRequests: 2 };
    const key = { ...none, scopeId: "key_a", requestsPerMinute: 1 };
    const account = await makeAccount(tenantId, { scopeLimits: [project, key] });
    await account.putKey(keyOf({ keyId: "key_b" }));
    await account.putKey(keyOf({ keyId: "key_c", projectId: "prj_c" }));
    const first = await admitAs(tenantId, "key_a", "req_1");
    expect(first.rates).toMatchObject({ limitRequests: 1, remainingRequests: 0 });
    expect(await admitAs(tenantId, "key_a", "req_2")).toMatchObject({
      ok: false,
      error: {
        code: "rate_limit_requests",
        message: "Rate limit reached: 1 requests per minute of the API key.",
      },
    });
    const second = await admitAs(tenantId, "key_b", "req_3");
    expect(second.rates).toMatchObject({ limitRequests: 600, remainingRequests: 598 });
    const third = await admitAs(tenantId, "key_b", "req_4");
    expect(third).toMatchObject({
      ok: false,
      error: {
        code: "too_many_parallel_requests",
        message: "Limit reached: 2 parallel requests are running of the project.",
      },
    });
    expect(code(await admitAs(tenantId, "key_c", "req_5"))).toBe("admitted");
    await account.release("req_3");
    expect(code(await admitAs(tenantId, "key_b", "req_6"))).toBe("admitted");
  });

  it("tell input and output tokens apart, and are corrected to what was used", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId, {
      inputTokensPerMinute: 200,
      outputTokensPerMinute: 25,
    });
    const admit = (requestId: string, answerCount: number) =>
      account.admit(admitInput(tenantId, { requestId, hold: holdOf({ answerCount }) }));
    expect(code(await admit("req_1", 1))).toBe("admitted");
    const many = await admit("req_2", 2);
    expect(many).toMatchObject({
      ok: false,
      error: {
        code: "rate_limit_tokens",
        message:
          "Rate limit reached: 25 output tokens per minute, 15 remain and up to 20 are needed.",
      },
    });
    // 14 prompt tokens and 5 of output instead of 90 and 10.
    const records = [recordOf(tenantId, 1, { request_id: "req_1" })];
    await account.settleMany({ nodeId: "node-a", epoch: 1, records });
    expect(code(await admit("req_2", 2))).toBe("admitted");
    expect(code(await admit("req_3", 0))).toBe("admitted");
    const wide = await admit("req_4", 0);
    expect(wide.ok ? "" : wide.error.message).toContain("200 input tokens per minute");
  });

  it("count what runs already when they are set, and go when they are taken away", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    await admitAs(tenantId, "key_a", "req_1");
    const key = { ...none, scopeId: "key_a", parallelRequests: 1 };
    await account.configure(configOf(tenantId, { scopeLimits: [key] }));
    expect(code(await admitAs(tenantId, "key_a", "req_2"))).toBe("too_many_parallel_requests");
    await account.configure(configOf(tenantId));
    expect(code(await admitAs(tenantId, "key_a", "req_2"))).toBe("admitted");
  });
});
