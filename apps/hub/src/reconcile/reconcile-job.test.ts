// The comparison of accounts, journals and the ledger, over real usage and over faults that the test makes.
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { uniqueId } from "../../test/hub-request.ts";
import { intake, ledgerOf, makeAccount, recordOf, spendOf } from "../../test/usage.ts";
import { reconcileJob } from "./reconcile-job.ts";

const NOW_MS = 1_793_491_200_000;
const BALANCED = {
  is_exact: 1,
  entries_difference: 0,
  nano_usd_difference: 0,
  sources_differing: 0,
  records_difference: 0,
  severity: 0,
};

beforeEach(() => env.CONTROL_DB.exec("DELETE FROM tenants; DELETE FROM reconciliations;"));

async function register(tenantIds: readonly string[]): Promise<void> {
  await env.CONTROL_DB.prepare(
    `INSERT INTO tenants (id, name, status, weight, requests_per_minute, tokens_per_minute, parallel_requests,
       price_version_id, created_at_ms)
     SELECT value, 'a', 'active', 1, 600, 100000, 8, (SELECT id FROM price_versions LIMIT 1), 0 FROM json_each(?)`,
  )
    .bind(JSON.stringify(tenantIds))
    .run();
}

/** A tenant of the register, with an account. */
async function newTenant(): Promise<string> {
  const tenantId = uniqueId("ten");
  await register([tenantId]);
  await makeAccount(tenantId);
  return tenantId;
}

/** Reports these records of a node's journal. */
function report(tenantId: string, seqs: readonly number[], ackedSeq?: number) {
  const records = seqs.map((seq) => recordOf(tenantId, seq));
  const acked = ackedSeq === undefined ? [] : [{ tenant_id: tenantId, seq: ackedSeq }];
  return intake().commit({ nodeId: "node-a", epoch: 1, records, acked });
}

async function resultOf(tenantId: string) {
  return env.CONTROL_DB.prepare("SELECT * FROM reconciliations WHERE tenant_id = ?")
    .bind(tenantId)
    .first();
}

const inLedger = async (tenantId: string) => (await ledgerOf(tenantId)).length;

describe("the reconcile job", () => {
  it("balances account, journal and ledger of every tenant", async () => {
    const [first, idle] = [await newTenant(), await newTenant()];
    await report(first, [1, 2, 3]);
    await expect.poll(() => inLedger(first)).toBe(3);
    const { isComplete, figures } = await reconcileJob.run(env, NOW_MS);
    expect(isComplete).toBe(true);
    expect(figures).toMatchObject({ comparedTenants: 2, unbalancedTenants: 0, isBalanced: true });
    expect(await resultOf(first)).toMatchObject({ ...BALANCED, sources_checked: 1 });
    expect(await resultOf(idle)).toMatchObject({ ...BALANCED, sources_checked: 0 });
  });

  it("finds an entry that was taken out of the ledger, by count, money and tokens", async () => {
    const tenantId = await newTenant();
    await report(tenantId, [1, 2, 3]);
    await expect.poll(() => inLedger(tenantId)).toBe(3);
    await env.LEDGER_DB.exec("DROP TRIGGER ledger_entries_no_delete");
    await env.LEDGER_DB.prepare("DELETE FROM ledger_entries WHERE request_id = ?")
      .bind(`req_${tenantId}_2`)
      .run();
    expect((await reconcileJob.run(env, NOW_MS)).figures).toMatchObject({
      unbalancedTenants: 1,
      isBalanced: false,
    });
    expect(await resultOf(tenantId)).toMatchObject({
      is_exact: 1,
      entries_difference: 1,
      nano_usd_difference: 22_000,
      sources_checked: 1,
      sources_differing: 1,
      records_difference: 1,
      prompt_tokens_difference: 10,
      cached_tokens_difference: 4,
      output_tokens_difference: 5,
    });
  });

  it("finds a record of a journal that never came, though the account and the ledger agree", async () => {
    const tenantId = await newTenant();
    await report(tenantId, [1]);
    // As if 2 had been acknowledged to the node and lost with the hub's storage.
    await report(tenantId, [3], 2);
    await expect.poll(() => inLedger(tenantId)).toBe(2);
    await reconcileJob.run(env, NOW_MS);
    expect(await resultOf(tenantId)).toMatchObject({
      is_exact: 1,
      entries_difference: 0,
      nano_usd_difference: 0,
      sources_differing: 1,
      records_difference: 1,
    });
  });

  it("names no difference while usage is on its way, and is exact once it rests", async () => {
    const tenantId = await newTenant();
    const load = async () => {
      for (let seq = 1; seq < 200; seq += 2) {
        await report(tenantId, [seq, seq + 1]);
        // As often as a link commits.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const looks = async () => {
      for (let run = 0; run < 2; run++) {
        const { figures } = await reconcileJob.run(env, NOW_MS + run);
        expect(figures["unbalancedTenants"]).toBe(0);
      }
    };
    await Promise.all([load(), looks()]);
    await expect.poll(async () => (await spendOf(tenantId)).entries, { timeout: 20_000 }).toBe(200);
    await expect
      .poll(
        async () => {
          await reconcileJob.run(env, NOW_MS);
          return resultOf(tenantId);
        },
        { timeout: 20_000 },
      )
      .toMatchObject({ ...BALANCED, sources_checked: 1 });
  }, 60_000);

  it("takes more tenants than one run compares in turns", async () => {
    await register(Array.from({ length: 65 }, () => uniqueId("ten")));
    expect(await reconcileJob.run(env, NOW_MS)).toMatchObject({
      isComplete: false,
      figures: { comparedTenants: 64 },
    });
    expect(await reconcileJob.run(env, NOW_MS + 1)).toMatchObject({
      isComplete: true,
      figures: { allTenants: 65 },
    });
  }, 60_000);
});
