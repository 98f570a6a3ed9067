// Promises of billing that no single part keeps alone, by the numbers of docs/invariants.md.
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { freshHub, hubRequest, openStream, uniqueId } from "../../test/hub-request.ts";
import { TestNode } from "../../test/test-node.ts";
import {
  accountOf,
  admitInput,
  configOf,
  intake,
  ledgerOf,
  makeAccount,
  packsOf,
  recordOf,
  runAlarms,
  spendOf,
} from "../../test/usage.ts";

afterEach(() => void vi.restoreAllMocks());

const SOURCE = { nodeId: "node-a", epoch: 1 };

/** Everything of the tenant that is committed reaches the ledger. */
async function settled(tenantId: string) {
  await expect.poll(() => packsOf(tenantId), { timeout: 5_000 }).toBe(0);
  await runAlarms([tenantId]);
  return ledgerOf(tenantId);
}

describe("billing", () => {
  it("B1: is exact whichever write of a settlement the account dies at", async () => {
    // Where alerts go.
    vi.spyOn(globalThis, "fetch").mockImplementation(() =>
      Promise.resolve(new Response(null, { status: 204 })),
    );
    const tenantId = uniqueId("ten");
    const budget = { scopeId: tenantId, window: "day", mode: "hard" } as const;
    await makeAccount(tenantId, {
      budgets: [{ ...budget, limitNanoUsd: 30_000, alertPercents: [50] }],
      webhookUrl: "https://hooks.example/",
    });
    const credit = { grantId: "c1", grantedNanoUsd: 10_000, expiresAtMs: null };
    await accountOf(tenantId).grantCredit(credit);
    const batch = { ...SOURCE, records: [recordOf(tenantId, 1), recordOf(tenantId, 2)] };
    let deaths = 0;
    for (let write = 1; deaths === write - 1; write++) {
      const died = await runInDurableObject(accountOf(tenantId), async (instance, { storage }) => {
        const { sql } = storage;
        const exec = sql.exec.bind(sql);
        let writes = 0;
        sql.exec = (text: string, ...values: unknown[]) => {
          if (/^\s*(INSERT|UPDATE|DELETE)/.test(text) && ++writes === write) {
            throw new Error("the account dies");
          }
          return exec(text, ...values);
        };
        const before = await instance.settleMany(batch);
        sql.exec = exec;
        return before.watermark === 0;
      });
      if (died) deaths += 1;
      await abortAllDurableObjects();
      const entries = died ? 0 : 2;
      expect(await spendOf(tenantId)).toEqual({ entries, spent: entries * 22_000 });
    }
    // Attempts, spend, days, credit, the alert, the outbox, the watermark: each was a point to die at.
    expect(deaths).toBeGreaterThanOrEqual(9);
    expect(await settled(tenantId)).toHaveLength(2);
    expect(await accountOf(tenantId).funds()).toMatchObject({
      spentNanoUsd: 44_000,
      owedNanoUsd: 34_000,
    });
  });

  it.each([0, 1, 3, 6])(
    "B4: of a client that leaves after %i tokens is what was computed",
    async (seen) => {
      const tenantId = uniqueId("ten");
      await makeAccount(tenantId);
      const hub = freshHub();
      const nodeId = uniqueId("node");
      const node = await TestNode.link(hub, nodeId);
      const opened = openStream(hub, hubRequest({ tenantId }));
      const id = await node.accept(14);
      const reader = (await opened).body?.getReader();
      for (let from = 0; from < seen; from++) {
        node.step(id, { from, text: "x" });
        await reader?.read();
      }
      await reader?.cancel();
      await node.next("cancel");
      // One step more was on its way when the cancel came.
      const usage = {
        request_id: id,
        output_tokens: seen + 1,
        finish_reason: "cancelled" as const,
      };
      const records = [recordOf(tenantId, 1, usage)];
      node.send({ type: "usage", node_id: nodeId, epoch: 1, records });
      await node.next("ack");
      const rows = await settled(tenantId);
      expect(rows).toMatchObject([
        { requestId: id, computedOutputTokens: seen + 1, billedOutputTokens: seen + 1 },
      ]);
    },
  );

  it("B7: counts once though everything that remembers records was wiped", async () => {
    const tenantId = uniqueId("ten");
    await makeAccount(tenantId);
    const batch = { nodeId: uniqueId("node"), epoch: 1, records: [recordOf(tenantId, 1)] };
    await intake().commit(batch);
    await settled(tenantId);
    await runInDurableObject(intake(), (_, { storage }) => {
      storage.sql.exec("DELETE FROM watermarks WHERE tenant_id = ?", tenantId);
    });
    await runInDurableObject(accountOf(tenantId), (_, { storage }) => storage.deleteAll());
    await abortAllDurableObjects();
    await makeAccount(tenantId);
    await intake().commit(batch);
    expect(await settled(tenantId)).toHaveLength(1);
    expect(await spendOf(tenantId)).toEqual({ entries: 1, spent: 22_000 });
  });

  it("B8: of a request belongs to its end in the ledger, to its settlement in a budget", async () => {
    const tenantId = uniqueId("ten");
    const budget = { scopeId: tenantId, window: "day", mode: "soft" } as const;
    const account = await makeAccount(tenantId, {
      budgets: [{ ...budget, limitNanoUsd: 1_000_000, alertPercents: [] }],
    });
    // A node whose clock is a year ahead, and a record that comes a year late.
    const yearMs = 365 * 86_400_000;
    const ends = [Date.now() + yearMs, Date.now() - yearMs];
    const records = ends.map((ended_at_ms, index) =>
      recordOf(tenantId, index + 1, { ended_at_ms }),
    );
    await account.settleMany({ ...SOURCE, records });
    expect((await account.funds()).budgets).toMatchObject([{ spentNanoUsd: 44_000 }]);
    const rows = await settled(tenantId);
    expect(rows.map(({ endedAtMs }) => endedAtMs)).toEqual(ends.toSorted((a, b) => a - b));
  });

  it("B10: of zero tokens is zero, not an estimate", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    await account.admit(admitInput(tenantId, { requestId: "req_zero" }));
    const nothing = { cached_tokens: 0, computed_prompt_tokens: 0, output_tokens: 0 };
    const record = recordOf(tenantId, 1, { request_id: "req_zero", ...nothing });
    await account.settleMany({ ...SOURCE, records: [record] });
    expect(await settled(tenantId)).toMatchObject([
      { billedPromptTokens: 0, billedOutputTokens: 0, billedNanoUsd: 0, fault: null },
    ]);
    expect(await spendOf(tenantId)).toEqual({ entries: 1, spent: 0 });
  });

  it("B14: does not know of fairness: weights, lifts and restarts change no entry", async () => {
    const [plain, heavy] = [uniqueId("ten"), uniqueId("ten")];
    for (const tenantId of [plain, heavy]) {
      const account = await makeAccount(tenantId, { weight: 1 });
      await account.settleMany({ ...SOURCE, records: [recordOf(tenantId, 1)] });
      if (tenantId === heavy) {
        await account.configure(configOf(tenantId, { weight: 500 }));
        const lifts = [{ tenantId, units: 1_000_000 }];
        await intake().syncFleet({ cells: [], lifts, floorUnits: 5_000_000, remoteSeq: 0 });
        await abortAllDurableObjects();
      }
      await accountOf(tenantId).settleMany({ ...SOURCE, records: [recordOf(tenantId, 2)] });
    }
    const entries = async (tenantId: string) =>
      (await settled(tenantId)).map(({ tenantId: _, requestId: __, ...entry }) => entry);
    expect(await entries(heavy)).toEqual(await entries(plain));
  });

  it("writes at most five rows a request: covers, records, sums, outbox and ledger together", async () => {
    const REQUESTS = 64;
    const FRAME_RECORDS = 8;
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId, { parallelRequests: 100 });
    const changesOf = (stub: DurableObjectStub) =>
      runInDurableObject(stub, (_, { storage }) => {
        const counted = storage.sql.exec<{ n: number }>("SELECT total_changes() AS n");
        return counted.one().n;
      });
    const rows = async () => (await changesOf(account)) + (await changesOf(intake()));
    await intake().commit({ nodeId: "node-none", epoch: 1, records: [recordOf(tenantId, 2)] });
    const before = await rows();
    const nodeId = uniqueId("node");
    for (let first = 1; first <= REQUESTS; first += FRAME_RECORDS) {
      const seqs = Array.from({ length: FRAME_RECORDS }, (_, index) => first + index);
      const records = seqs.map((seq) => recordOf(tenantId, seq));
      for (const { request_id: requestId } of records) {
        expect((await account.admit(admitInput(tenantId, { requestId }))).ok).toBe(true);
      }
      await intake().commit({ nodeId, epoch: 1, records });
      await expect.poll(() => packsOf(tenantId)).toBe(0);
    }
    await runDurableObjectAlarm(account);
    const { n: ledgerRows = 0 } =
      (await env.LEDGER_DB.prepare("SELECT count(*) AS n FROM ledger_entries WHERE tenant_id = ?")
        .bind(tenantId)
        .first<{ n: number }>()) ?? {};
    expect(ledgerRows).toBe(REQUESTS);
    const perRequest = ((await rows()) - before + ledgerRows) / REQUESTS;
    expect(perRequest).toBeLessThanOrEqual(5);
    expect(perRequest).toBeGreaterThan(2);
  });
});
