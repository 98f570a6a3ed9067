// Any prefix, permutation and duplication of usage frames, with crashes in between, gives the ledger that the
// frames in order would have given; and once the node has sent everything again, the whole of it. The intake's storage
// may be lost in between, once its records are settled: nodes say what was acknowledged.
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { uniqueId } from "../../test/hub-request.ts";
import {
  intake,
  ledgerOf,
  makeAccount,
  packsOf,
  recordOf,
  runAlarms,
  spendOf,
} from "../../test/usage.ts";

const RECORDS_PER_SOURCE = 6;

// One frame: consecutive records of one tenant and epoch; or a crash of every object.
const event = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      tenant: fc.nat(1),
      epoch: fc.integer({ min: 1, max: 2 }),
      first: fc.integer({ min: 1, max: RECORDS_PER_SOURCE }),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant("crash" as const) },
  { weight: 1, arbitrary: fc.constant("loss" as const) },
);

function recordsOf(source: Source, first: number, count: number) {
  const { tenantId, epoch } = source;
  const seqs = Array.from({ length: count }, (_, index) => first + index);
  return seqs
    .filter((seq) => seq <= RECORDS_PER_SOURCE)
    .map((seq) =>
      recordOf(tenantId, seq, {
        request_id: `req_${tenantId}_${epoch}_${seq}`,
        output_tokens: seq,
        ended_at_ms: 100 * epoch + seq,
      }),
    );
}

interface Source {
  readonly tenantId: string;
  readonly epoch: number;
}

const keyOf = ({ tenantId, epoch }: Source): string => `${tenantId}/${epoch}`;

describe("usage in any order", () => {
  it("settles every record exactly once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 14 }), async (events) => {
        const tenantIds = [uniqueId("ten"), uniqueId("ten")];
        await Promise.all(tenantIds.map((tenantId) => makeAccount(tenantId)));
        const nodeId = uniqueId("node");
        // The model: how far each source has come.
        const known = new Map<string, number>();
        let hasLost = false;
        const commit = async (source: Source, first: number, count: number) => {
          const records = recordsOf(source, first, count);
          const before = known.get(keyOf(source)) ?? 0;
          const acked = before === 0 ? [] : [{ tenant_id: source.tenantId, seq: before }];
          const batch = { nodeId, epoch: source.epoch, records, acked };
          const { watermarks } = await intake().commit(batch);
          const last = Math.min(first + count - 1, RECORDS_PER_SOURCE);
          const after = first <= before + 1 ? Math.max(before, last) : before;
          known.set(keyOf(source), after);
          const expected = after === 0 ? [] : [{ tenant_id: source.tenantId, seq: after }];
          // After a loss it knows nothing of what it does not take.
          if (!(hasLost && after === before)) expect(watermarks).toEqual(expected);
        };
        const check = async () => {
          for (const tenantId of tenantIds) {
            await settled(tenantId);
            const expected = [1, 2].flatMap((epoch) =>
              recordsOf({ tenantId, epoch }, 1, known.get(keyOf({ tenantId, epoch })) ?? 0),
            );
            const rows = await ledgerOf(tenantId);
            expect(rows.map(({ requestId }) => requestId)).toEqual(
              expected.map((record) => record.request_id),
            );
            // 10 x 1,000 + 4 x 500 + output x 2,000 nano-USD each.
            const spent = expected.reduce(
              (sum, one) => sum + 12_000 + 2_000 * one.output_tokens,
              0,
            );
            expect(await spendOf(tenantId)).toEqual({ entries: expected.length, spent });
          }
        };
        for (const one of events) {
          if (one === "crash") await abortAllDurableObjects();
          else if (one === "loss") {
            hasLost = true;
            for (const tenantId of tenantIds) await settled(tenantId);
            await runInDurableObject(intake(), (_, { storage }) => {
              storage.sql.exec("DELETE FROM watermarks WHERE node_id = ?", nodeId);
            });
          } else {
            const tenantId = tenantIds[one.tenant] ?? "";
            await commit({ tenantId, epoch: one.epoch }, one.first, one.count);
          }
        }
        await check();
        // The node sends what was never acknowledged.
        for (const tenantId of tenantIds) {
          for (const epoch of [1, 2]) await commit({ tenantId, epoch }, 1, RECORDS_PER_SOURCE);
        }
        await check();
        for (const tenantId of tenantIds) expect(await ledgerOf(tenantId)).toHaveLength(12);
      }),
      { numRuns: 15 },
    );
  }, 60_000);
});

/** Waits until everything of the tenant that was committed is in the ledger. */
async function settled(tenantId: string): Promise<void> {
  await expect.poll(() => packsOf(tenantId), { timeout: 5_000 }).toBe(0);
  await runAlarms([tenantId]);
}
