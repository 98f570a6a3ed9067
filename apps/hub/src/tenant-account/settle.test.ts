import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { uniqueId } from "../../test/hub-request.ts";
import {
  accountOf,
  admitInput,
  configOf,
  ledgerOf,
  makeAccount,
  recordOf,
  runAlarms,
  spendOf,
} from "../../test/usage.ts";

const SOURCE = { nodeId: "node-a", epoch: 7 };

describe("settlement", () => {
  it("turns final records into ledger entries at the admitted prices", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const records = [recordOf(tenantId, 1), recordOf(tenantId, 2, { finish_reason: "cancelled" })];
    expect(await account.settleMany({ ...SOURCE, records })).toEqual({ watermark: 2 });
    await runAlarms([tenantId]);
    const rows = await ledgerOf(tenantId);
    expect(rows).toHaveLength(2);
    expect(rows[0]).toEqual({
      requestId: `req_${tenantId}_1`,
      attempt: 1,
      entrySeq: 0,
      tenantId,
      projectId: "prj_a",
      keyId: "key_a",
      nodeId: "node-a",
      epoch: 7,
      model: "tiny",
      priceVersion: "plan_a",
      finishReason: "stop",
      promptTokens: 14,
      computedPromptTokens: 10,
      computedCachedTokens: 4,
      computedOutputTokens: 5,
      billedPromptTokens: 10,
      billedCachedTokens: 4,
      billedOutputTokens: 5,
      // 10 x 1,000 + 4 x 500 + 5 x 2,000
      billedNanoUsd: 22_000,
      creditNanoUsd: 0,
      fault: null,
      estimated: false,
      receivedAtMs: 1_000,
      queueMs: 2,
      ttftMs: 30,
      endedAtMs: 1_001,
    });
    expect(rows[1]?.finishReason).toBe("cancelled");
    expect(await spendOf(tenantId)).toEqual({ entries: 2, spent: 44_000 });
  });

  it("applies nothing at or below the watermark and stops at a gap", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const settle = (...seqs: number[]) =>
      account.settleMany({ ...SOURCE, records: seqs.map((seq) => recordOf(tenantId, seq)) });
    expect(await settle(1, 2)).toEqual({ watermark: 2 });
    expect(await settle(1, 2)).toEqual({ watermark: 2 });
    expect(await settle(4)).toEqual({ watermark: 2 });
    expect(await settle(2, 3, 5)).toEqual({ watermark: 3 });
    expect(await spendOf(tenantId)).toEqual({ entries: 3, spent: 66_000 });
    expect(await account.settleMany({ ...SOURCE, records: [] })).toEqual({ watermark: 0 });
  });

  it("keeps nodes and epochs apart", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    for (const [nodeId, epoch] of [
      ["node-a", 1],
      ["node-a", 2],
      ["node-b", 1],
    ] as const) {
      const request_id = `req_${nodeId}_${epoch}`;
      const records = [recordOf(tenantId, 1, { request_id })];
      expect(await account.settleMany({ nodeId, epoch, records })).toEqual({ watermark: 1 });
    }
    expect((await spendOf(tenantId)).entries).toBe(3);
  });

  it("makes one entry of a request whose records grow, at its final counts", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const growing = (seq: number, output_tokens: number, final: boolean) =>
      recordOf(tenantId, seq, { request_id: "req_long", output_tokens, final });
    const records = [growing(1, 2, false), growing(2, 4, false), growing(3, 6, true)];
    await account.settleMany({ ...SOURCE, records });
    await runAlarms([tenantId]);
    const rows = await ledgerOf(tenantId);
    expect(rows.map(({ computedOutputTokens }) => computedOutputTokens)).toEqual([6]);
  });

  it("ends the hold of a request that ran again after a restart, and bills it once", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId, { parallelRequests: 1 });
    const admit = async (requestId: string) =>
      (await account.admit(admitInput(tenantId, { requestId }))).ok;
    for (const seq of [1, 2]) {
      expect(await admit("req_again")).toBe(true);
      expect(await admit("req_beside")).toBe(false);
      const records = [recordOf(tenantId, seq, { request_id: "req_again" })];
      await account.settleMany({ ...SOURCE, records });
    }
    expect(await admit("req_next")).toBe(true);
    expect((await spendOf(tenantId)).entries).toBe(1);
  });

  it("counts a final record once even when a node reports it again under another number", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const twice = { request_id: "req_twice" };
    const records = [recordOf(tenantId, 1, twice), recordOf(tenantId, 2, twice)];
    expect(await account.settleMany({ ...SOURCE, records })).toEqual({ watermark: 2 });
    expect(await spendOf(tenantId)).toEqual({ entries: 1, spent: 22_000 });
  });

  it("bills each token once over the attempts of a request", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const lost = {
      request_id: "req_moved",
      finish_reason: "node_lost" as const,
      cached_tokens: 0,
      computed_prompt_tokens: 8,
      output_tokens: 0,
    };
    await account.settleMany({ ...SOURCE, records: [recordOf(tenantId, 1, lost)] });
    const moved = recordOf(tenantId, 1, { request_id: "req_moved", attempt: 2 });
    await account.settleMany({ nodeId: "node-b", epoch: 1, records: [moved] });
    await runAlarms([tenantId]);
    const bills = (await ledgerOf(tenantId)).map((row) => [
      row.attempt,
      row.computedPromptTokens + row.computedCachedTokens,
      row.billedPromptTokens + row.billedCachedTokens,
      row.billedOutputTokens,
    ]);
    expect(bills).toEqual([
      [1, 8, 8, 0],
      [2, 14, 6, 5],
    ]);
  });

  it("keeps tokens that it cannot price or believe, and bills nothing for them", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const records = [
      recordOf(tenantId, 1, { price_version: "plan_unknown" }),
      recordOf(tenantId, 2, { cached_tokens: 15 }),
    ];
    await account.settleMany({ ...SOURCE, records });
    await runAlarms([tenantId]);
    const rows = await ledgerOf(tenantId);
    expect(rows.map(({ fault, billedNanoUsd }) => [fault, billedNanoUsd])).toEqual([
      ["price_missing", 0],
      ["counts_invalid", 0],
    ]);
    expect(rows.map(({ computedOutputTokens }) => computedOutputTokens)).toEqual([5, 5]);
  });

  it("uses the price version of the admission after prices changed and the account restarted", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const free = { inputNanoUsdPerMillion: 0, cachedInputNanoUsdPerMillion: 0 };
    const models = { tiny: { ...free, outputNanoUsdPerMillion: 9_000_000_000 } };
    await account.configure(configOf(tenantId, { prices: { version: "plan_b", models } }));
    await evictDurableObject(account);
    const records = [recordOf(tenantId, 1), recordOf(tenantId, 2, { price_version: "plan_b" })];
    await accountOf(tenantId).settleMany({ ...SOURCE, records });
    await runAlarms([tenantId]);
    const bills = (await ledgerOf(tenantId)).map(({ billedNanoUsd }) => billedNanoUsd);
    expect(bills).toEqual([22_000, 45_000]);
  });
});

describe("the outbox", () => {
  const hideLedger = () =>
    env.LEDGER_DB.exec("ALTER TABLE ledger_entries RENAME TO hidden_entries");
  const showLedger = () =>
    env.LEDGER_DB.exec("ALTER TABLE hidden_entries RENAME TO ledger_entries");

  it("keeps entries while the ledger is away, and its alarm neither throws nor gives up", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    await hideLedger();
    try {
      await account.settleMany({ ...SOURCE, records: [recordOf(tenantId, 1)] });
      // One more than the platform repeats an alarm that throws.
      for (let failure = 0; failure < 7; failure++) {
        expect(await runDurableObjectAlarm(account)).toBe(true);
      }
      const alarmMs = await runInDurableObject(account, (_, { storage }) => storage.getAlarm());
      expect(alarmMs).toBeGreaterThan(Date.now());
      // The account goes on settling meanwhile.
      const next = { ...SOURCE, records: [recordOf(tenantId, 2)] };
      expect(await account.settleMany(next)).toEqual({ watermark: 2 });
    } finally {
      await showLedger();
    }
    await runAlarms([tenantId]);
    expect(await ledgerOf(tenantId)).toHaveLength(2);
    expect(await runDurableObjectAlarm(account)).toBe(false);
  });

  it("is written soon, and while more comes half a second after the last time", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const alarm = () => runInDurableObject(account, (_, { storage }) => storage.getAlarm());
    const firstMs = Date.now();
    await account.settleMany({ ...SOURCE, records: [recordOf(tenantId, 1)] });
    const soonMs = await alarm();
    expect(soonMs).toBeGreaterThanOrEqual(firstMs + 100);
    expect(soonMs).toBeLessThan(firstMs + 450);
    const writtenMs = Date.now();
    await runDurableObjectAlarm(account);
    await account.settleMany({ ...SOURCE, records: [recordOf(tenantId, 2)] });
    expect(await alarm()).toBeGreaterThanOrEqual(writtenMs + 500);
  });

  it("takes nothing more when it is full, so that the records stay with the intake", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    await account.settleMany({ ...SOURCE, records: [recordOf(tenantId, 1)] });
    await runInDurableObject(account, (_, { storage }) => {
      storage.sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
         INSERT INTO outbox (entry_count, entries) SELECT 0, '[]' FROM n`,
      );
    });
    await evictDurableObject(account);
    const next = { ...SOURCE, records: [recordOf(tenantId, 2)] };
    expect(await accountOf(tenantId).settleMany(next)).toEqual({ watermark: 1 });
    // The alarm writes what waits, several statements at a time; then settling goes on.
    for (let i = 0; i < 4; i++) await runDurableObjectAlarm(accountOf(tenantId));
    expect(await accountOf(tenantId).settleMany(next)).toEqual({ watermark: 2 });
    await runAlarms([tenantId]);
    expect(await ledgerOf(tenantId)).toHaveLength(2);
  });

  it("refuses to change what is in the ledger", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    await account.settleMany({ ...SOURCE, records: [recordOf(tenantId, 1)] });
    await runAlarms([tenantId]);
    const change = env.LEDGER_DB.prepare("UPDATE ledger_entries SET billed_nano_usd = 0").run();
    await expect(change).rejects.toThrow("the ledger is append-only");
    const removal = env.LEDGER_DB.prepare("DELETE FROM ledger_entries").run();
    await expect(removal).rejects.toThrow("the ledger is append-only");
  });
});
