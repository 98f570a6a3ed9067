import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import type { AccountConfig, Budget } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { uniqueId } from "../../test/hub-request.ts";
import {
  accountOf,
  admitInput,
  configOf,
  holdOf,
  keyOf,
  ledgerOf,
  makeAccount,
  recordOf,
} from "../../test/usage.ts";

const code = (outcome: { ok: true } | { ok: false; error: { code: string } }): string =>
  outcome.ok ? "admitted" : outcome.error.code;

const budget = (scopeId: string, limitNanoUsd: number, change: Partial<Budget> = {}): Budget => ({
  scopeId,
  limitNanoUsd,
  window: "month",
  mode: "hard",
  alertPercents: [],
  ...change,
});

/** An account whose requests hold 1,000 nano-USD for 1 prompt token and 2,000 for each of output. */
async function accountWith(change: (tenantId: string) => Partial<AccountConfig>) {
  const tenantId = uniqueId("ten");
  await makeAccount(tenantId, change(tenantId));
  const admit = (requestId: string, outputTokensMax: number, keyId = "key_a") => {
    const hold = holdOf({ promptTokensMax: 1, outputTokensMax });
    return accountOf(tenantId).admit(admitInput(tenantId, { requestId, hold, keyId }));
  };
  let lastSeq = 0;
  const settle = (requestId: string, outputTokens: number, attempt = 1) => {
    lastSeq += 1;
    const record = recordOf(tenantId, lastSeq, {
      request_id: requestId,
      attempt,
      prompt_tokens: 1,
      cached_tokens: 0,
      computed_prompt_tokens: 1,
      output_tokens: outputTokens,
    });
    return accountOf(tenantId).settleMany({ nodeId: "node-a", epoch: 1, records: [record] });
  };
  const ask = (requestId: string, grantTokens: number) => ({
    requestId,
    attempt: 1,
    projectId: "prj_a",
    keyId: "key_a",
    priceVersion: "plan_a",
    model: "tiny",
    promptTokens: 1,
    answerCount: 1,
    grantTokens,
    outputTokensMax: 2_000,
    leaseUntilMs: Date.now() + 60_000,
  });
  return { tenantId, admit, settle, ask, account: () => accountOf(tenantId) };
}

describe("budgets", () => {
  it("tell what is gone for good from what others hold, and free what was not used", async () => {
    const { admit, settle, account, tenantId } = await accountWith((id) => ({
      budgets: [budget(id, 50_000)],
    }));
    // 1 + 10 x 2 thousand.
    expect(code(await admit("req_1", 10))).toBe("admitted");
    expect(code(await admit("req_2", 10))).toBe("admitted");
    const held = await admit("req_3", 10);
    expect(held).toMatchObject({
      ok: false,
      error: {
        code: "in_flight_budget_exhausted",
        retryAfterMs: 1_000,
        message:
          "The month's budget of 50000 nano-USD is held by running requests: 50000 remain, 42000 are held and up to 21000 are needed.",
      },
    });
    await settle("req_1", 4);
    expect(code(await admit("req_3", 10))).toBe("in_flight_budget_exhausted");
    await account().release("req_2");
    expect(code(await admit("req_3", 10))).toBe("admitted");
    const gone = await admit("req_4", 25);
    expect(gone).toMatchObject({ ok: false, error: { code: "budget_exceeded", param: null } });
    expect(gone.ok ? null : gone.error.retryAfterMs).toBeUndefined();
    expect((await account().funds()).budgets).toMatchObject([
      { scopeId: tenantId, limitNanoUsd: 50_000, spentNanoUsd: 9_000, heldNanoUsd: 21_000 },
    ]);
  });

  it("hold for a project and a key alone", async () => {
    const { admit, settle, account } = await accountWith(() => ({
      budgets: [budget("prj_a", 21_000), budget("key_c", 1_000)],
    }));
    await account().putKey(keyOf({ keyId: "key_b" }));
    await account().putKey(keyOf({ keyId: "key_c", projectId: "prj_c" }));
    await account().putKey(keyOf({ keyId: "key_d", projectId: "prj_c" }));
    expect(code(await admit("req_1", 10))).toBe("admitted");
    expect(code(await admit("req_2", 1, "key_b"))).toBe("in_flight_budget_exhausted");
    expect(code(await admit("req_3", 1, "key_c"))).toBe("budget_exceeded");
    expect(code(await admit("req_4", 1, "key_d"))).toBe("admitted");
    await settle("req_1", 10);
    expect(code(await admit("req_2", 1, "key_b"))).toBe("budget_exceeded");
  });

  it("count what was spent before they were set, and what runs", async () => {
    const { admit, settle, account, tenantId } = await accountWith(() => ({}));
    await admit("req_1", 10);
    await settle("req_1", 10);
    await admit("req_2", 10);
    await account().configure(configOf(tenantId, { budgets: [budget("key_a", 60_000)] }));
    expect((await account().funds()).budgets).toMatchObject([
      { spentNanoUsd: 21_000, heldNanoUsd: 21_000 },
    ]);
    expect(code(await admit("req_3", 9))).toBe("in_flight_budget_exhausted");
  });

  it("that are soft hold a capped estimate, grant no bound and may be passed by what runs", async () => {
    const { admit, settle, account } = await accountWith((id) => ({
      budgets: [budget(id, 1_025_000, { mode: "soft" })],
    }));
    // 1 + 512 x 2 thousand are held of 2,000 tokens.
    const first = await admit("req_1", 2_000);
    expect(first).toMatchObject({ ok: true, grantTokens: null });
    await settle("req_1", 2_000);
    const [state] = (await account().funds()).budgets;
    expect(state).toMatchObject({ spentNanoUsd: 4_001_000, heldNanoUsd: 0 });
    expect(code(await admit("req_2", 1))).toBe("budget_exceeded");
  });

  it("come back whole from a restart: the cover counts as held, never past the limit", async () => {
    const { admit, settle, account } = await accountWith((id) => ({
      budgets: [budget(id, 50_000)],
    }));
    await admit("req_1", 10);
    await settle("req_1", 4);
    await admit("req_2", 10);
    await evictDurableObject(account());
    const [state] = (await account().funds()).budgets;
    // Twice what was held, but no more than there was room for.
    expect(state).toMatchObject({ spentNanoUsd: 9_000, heldNanoUsd: 41_000 });
    expect(code(await admit("req_3", 1))).toBe("in_flight_budget_exhausted");
    await settle("req_2", 10);
    expect((await account().funds()).budgets).toMatchObject([
      { spentNanoUsd: 30_000, heldNanoUsd: 20_000 },
    ]);
  });
});

describe("token grants", () => {
  it("are renewed while the budget lasts, and exact about the prompt from the first renewal on", async () => {
    // Room for the prompt and 1,100 tokens of output.
    const { admit, ask, account } = await accountWith((id) => ({
      budgets: [budget(id, 2_201_000)],
    }));
    expect(await admit("req_1", 2_000)).toMatchObject({ ok: true, grantTokens: 512 });
    const renew = async (grantTokens: number) =>
      (await account().renewGrants([ask("req_1", grantTokens)]))[0]?.grantTokens;
    expect(await renew(512)).toBe(1_024);
    expect(await renew(1_024)).toBe(1_024);
    expect((await account().funds()).budgets).toMatchObject([{ heldNanoUsd: 2_049_000 }]);
  });

  it("go on after a restart of the account, out of what it covers", async () => {
    const { admit, settle, ask, account } = await accountWith((id) => ({
      budgets: [budget(id, 9_000_000)],
    }));
    await admit("req_1", 2_000);
    await evictDurableObject(account());
    expect(await account().renewGrants([ask("req_1", 512)])).toEqual([
      { requestId: "req_1", grantTokens: 1_024 },
    ]);
    await settle("req_1", 1_024);
    const [state] = (await account().funds()).budgets;
    expect(state?.spentNanoUsd).toBe(2_049_000);
    // The rest of the cover waits for its lease to end.
    expect(state?.heldNanoUsd).toBe(1_025_000);
  });

  it("outlast the end of an earlier attempt, whose cost is spent and no longer held", async () => {
    const { tenantId, admit, settle, ask, account } = await accountWith((id) => ({
      budgets: [budget(id, 9_000_000)],
    }));
    await admit("req_1", 2_000);
    await account().renewGrants([{ ...ask("req_1", 512), attempt: 2 }]);
    const lost = recordOf(tenantId, 1, {
      request_id: "req_1",
      finish_reason: "node_lost",
      ...{ prompt_tokens: 1, cached_tokens: 0, computed_prompt_tokens: 1, output_tokens: 100 },
    });
    await account().settleMany({ nodeId: "node-b", epoch: 1, records: [lost] });
    const [state] = (await account().funds()).budgets;
    expect(state).toMatchObject({ spentNanoUsd: 201_000, heldNanoUsd: 2_049_000 - 201_000 });
    await settle("req_1", 700, 2);
    expect((await account().funds()).budgets).toMatchObject([
      { spentNanoUsd: 1_401_000, heldNanoUsd: 0 },
    ]);
  });

  it("are whole where the hub cannot see answers grow, and absent without a hard budget", async () => {
    const { tenantId, account } = await accountWith((id) => ({
      budgets: [budget(id, 50_000_000)],
    }));
    const hold = holdOf({ outputTokensMax: 2_000, answerCount: 4, isRenewable: false });
    expect(await account().admit(admitInput(tenantId, { hold }))).toMatchObject({
      grantTokens: 2_000,
    });
    const free = await accountWith(() => ({}));
    expect(await free.admit("req_1", 2_000)).toMatchObject({ ok: true, grantTokens: null });
  });
});

describe("credit", () => {
  it("bounds a prepaid tenant, counts once, and is used before money is owed", async () => {
    const { admit, settle, account } = await accountWith(() => ({ prepaid: true }));
    expect(code(await admit("req_0", 1))).toBe("credit_exhausted");
    const credit = { grantId: "c1", grantedNanoUsd: 30_000, expiresAtMs: null };
    expect(await account().grantCredit(credit)).toBe("granted");
    expect(await account().grantCredit(credit)).toBe("known");
    expect(await admit("req_1", 10)).toMatchObject({ ok: true, grantTokens: 10 });
    expect(code(await admit("req_2", 10))).toBe("in_flight_budget_exhausted");
    await settle("req_1", 10);
    expect(code(await admit("req_2", 10))).toBe("credit_exhausted");
    expect(await account().funds()).toMatchObject({
      prepaid: true,
      spentNanoUsd: 21_000,
      creditNanoUsd: 9_000,
      owedNanoUsd: 0,
      credits: [{ grantId: "c1", usedNanoUsd: 21_000, expiredNanoUsd: 0 }],
    });
  });

  it("covers what a tenant that pays later spends, as far as it goes, and its entries say so", async () => {
    const { tenantId, admit, settle, account } = await accountWith(() => ({}));
    await account().grantCredit({ grantId: "c1", grantedNanoUsd: 10_000, expiresAtMs: null });
    const requestId = uniqueId("req");
    await admit(requestId, 10);
    await settle(requestId, 10);
    expect(await account().funds()).toMatchObject({ creditNanoUsd: 0, owedNanoUsd: 11_000 });
    await runDurableObjectAlarm(account());
    await expect
      .poll(() => ledgerOf(tenantId))
      .toMatchObject([{ billedNanoUsd: 21_000, creditNanoUsd: 10_000 }]);
  });

  it("expires, but not under what runs", async () => {
    const { admit, settle, account } = await accountWith(() => ({ prepaid: true }));
    const expiresAtMs = Date.now() + 300;
    await account().grantCredit({ grantId: "c1", grantedNanoUsd: 50_000, expiresAtMs });
    expect(code(await admit("req_1", 10))).toBe("admitted");
    await expect.poll(async () => (await account().funds()).creditNanoUsd).toBe(21_000);
    expect(code(await admit("req_2", 1))).toBe("in_flight_budget_exhausted");
    await settle("req_1", 4);
    expect(await account().funds()).toMatchObject({
      creditNanoUsd: 0,
      owedNanoUsd: 0,
      credits: [{ usedNanoUsd: 9_000, expiredNanoUsd: 41_000 }],
    });
  });
});
