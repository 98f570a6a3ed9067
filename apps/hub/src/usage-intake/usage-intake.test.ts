import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { appendLedgerEntries, openLedgerDb } from "@fairlane/db";
import type { LedgerEntry } from "@fairlane/ledger";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { freshHub, uniqueId } from "../../test/hub-request.ts";
import { TestNode } from "../../test/test-node.ts";
import {
  accountOf,
  intake,
  ledgerOf,
  makeAccount,
  packsOf,
  recordOf,
  runAlarms,
  spendOf,
} from "../../test/usage.ts";

const seqsOf = async (tenantId: string): Promise<readonly number[]> =>
  (await ledgerOf(tenantId)).map(({ requestId }) => Number(requestId.split("_").at(-1)));

/** Makes settling fail until the account's next start. */
async function breakAccount(tenantId: string): Promise<void> {
  await runInDurableObject(accountOf(tenantId), (_, { storage }) => {
    storage.sql.exec("DROP TABLE outbox");
  });
}

describe("usage frames over the link", () => {
  it("are acknowledged once durable, and reach the ledger", async () => {
    const [first, second] = [uniqueId("ten"), uniqueId("ten")];
    await Promise.all([makeAccount(first), makeAccount(second)]);
    const nodeId = uniqueId("node");
    const node = await TestNode.link(freshHub(), nodeId, { epoch: 9 });
    const records = [recordOf(first, 1), recordOf(second, 1), recordOf(first, 2)];
    node.send({ type: "usage", node_id: nodeId, epoch: 9, records });
    expect(await node.next("ack")).toEqual({
      type: "ack",
      epoch: 9,
      watermarks: [
        { tenant_id: first, seq: 2 },
        { tenant_id: second, seq: 1 },
      ],
    });
    await expect.poll(() => seqsOf(first)).toEqual([1, 2]);
    await expect.poll(() => seqsOf(second)).toEqual([1]);
  });

  it("are acknowledged up to a gap, and again when they are sent again", async () => {
    const tenantId = uniqueId("ten");
    await makeAccount(tenantId);
    const nodeId = uniqueId("node");
    const node = await TestNode.link(freshHub(), nodeId);
    const send = async (...seqs: number[]): Promise<number | undefined> => {
      const records = seqs.map((seq) => recordOf(tenantId, seq));
      node.send({ type: "usage", node_id: nodeId, epoch: 1, records });
      return (await node.next("ack")).watermarks[0]?.seq;
    };
    expect(await send(1, 2)).toBe(2);
    expect(await send(1, 2)).toBe(2);
    expect(await send(2, 4)).toBe(2);
    expect(await send(4, 3)).toBe(4);
    await expect.poll(() => seqsOf(tenantId)).toEqual([1, 2, 3, 4]);
    expect(await spendOf(tenantId)).toEqual({ entries: 4, spent: 88_000 });
  });

  it("of an earlier epoch, sent after a crash of the node, count beside the new ones", async () => {
    const tenantId = uniqueId("ten");
    await makeAccount(tenantId);
    const nodeId = uniqueId("node");
    const node = await TestNode.link(freshHub(), nodeId, { epoch: 2 });
    for (const epoch of [1, 2]) {
      const records = [
        recordOf(tenantId, 1, { request_id: `req_epoch_${epoch}`, ended_at_ms: epoch }),
      ];
      node.send({ type: "usage", node_id: nodeId, epoch, records });
      expect((await node.next("ack")).epoch).toBe(epoch);
    }
    await expect.poll(() => seqsOf(tenantId)).toEqual([1, 2]);
  });

  it("that cannot be taken are not acknowledged", async () => {
    const tenantId = uniqueId("ten");
    const batch = { nodeId: uniqueId("node"), epoch: 1, records: [recordOf(tenantId, 2)] };
    expect(await intake().commit(batch)).toEqual({ watermarks: [] });
  });
});

describe("forwarding", () => {
  it("holds one failing account's records without holding up the others", async () => {
    const [broken, sound] = [uniqueId("ten"), uniqueId("ten")];
    await Promise.all([makeAccount(broken), makeAccount(sound)]);
    await breakAccount(broken);
    const records = [recordOf(broken, 1), recordOf(sound, 1)];
    await intake().commit({ nodeId: uniqueId("node"), epoch: 1, records });
    await expect.poll(() => seqsOf(sound)).toEqual([1]);
    expect(await seqsOf(broken)).toEqual([]);
    await abortAllDurableObjects();
    await runDurableObjectAlarm(intake());
    await expect.poll(() => seqsOf(broken)).toEqual([1]);
    expect(await spendOf(broken)).toEqual({ entries: 1, spent: 22_000 });
  });
});

describe("a crash", () => {
  it("between commit and settlement loses nothing", async () => {
    const tenantId = uniqueId("ten");
    await makeAccount(tenantId);
    await breakAccount(tenantId);
    const batch = { nodeId: uniqueId("node"), epoch: 1, records: [recordOf(tenantId, 1)] };
    expect((await intake().commit(batch)).watermarks).toHaveLength(1);
    await abortAllDurableObjects();
    await runAlarms([tenantId]);
    await runAlarms([tenantId]);
    expect(await seqsOf(tenantId)).toEqual([1]);
  });

  it("that takes the intake's alarm with it loses nothing either: its start sets it again", async () => {
    const tenantId = uniqueId("ten");
    await makeAccount(tenantId);
    await breakAccount(tenantId);
    const batch = { nodeId: uniqueId("node"), epoch: 1, records: [recordOf(tenantId, 1)] };
    await intake().commit(batch);
    await runInDurableObject(intake(), (_, { storage }) => storage.deleteAlarm());
    await abortAllDurableObjects();
    expect(await packsOf(tenantId)).toBe(1);
    await expect.poll(() => seqsOf(tenantId)).toEqual([1]);
  });

  it("between settlement and the intake's deletion settles nothing twice", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const batch = { nodeId: uniqueId("node"), epoch: 1, records: [recordOf(tenantId, 1)] };
    // As if the settlement's answer had been lost with the intake.
    await account.settleMany(batch);
    await abortAllDurableObjects();
    await intake().commit(batch);
    await expect.poll(() => packsOf(tenantId)).toBe(0);
    await expect.poll(() => seqsOf(tenantId)).toEqual([1]);
    expect(await spendOf(tenantId)).toEqual({ entries: 1, spent: 22_000 });
  });

  it("between settlement and the ledger's write loses nothing", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    await env.LEDGER_DB.exec("ALTER TABLE ledger_entries RENAME TO hidden_entries");
    const batch = { nodeId: uniqueId("node"), epoch: 1, records: [recordOf(tenantId, 1)] };
    await account.settleMany(batch);
    expect(await runDurableObjectAlarm(account)).toBe(true);
    await runInDurableObject(account, (_, { storage }) => storage.deleteAlarm());
    await abortAllDurableObjects();
    await env.LEDGER_DB.exec("ALTER TABLE hidden_entries RENAME TO ledger_entries");
    // The account's start alone sets the alarm again.
    await spendOf(tenantId);
    await expect.poll(() => seqsOf(tenantId)).toEqual([1]);
  });

  it("between the ledger's write and the outbox's deletion writes nothing twice", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const batch = { nodeId: uniqueId("node"), epoch: 1, records: [recordOf(tenantId, 1)] };
    await account.settleMany(batch);
    const packs = await runInDurableObject(account, (_, { storage }) =>
      storage.sql.exec<{ entries: string }>("SELECT entries FROM outbox").toArray(),
    );
    const entries = packs.flatMap((pack) => JSON.parse(pack.entries) as LedgerEntry[]);
    await appendLedgerEntries(openLedgerDb(env.LEDGER_DB), entries);
    await abortAllDurableObjects();
    await runAlarms([tenantId]);
    expect(await seqsOf(tenantId)).toEqual([1]);
    expect(await runDurableObjectAlarm(accountOf(tenantId))).toBe(false);
  });
});

describe("usage after a loss of the hub's storage", () => {
  const send = (node: TestNode, tenantId: string, frame: { seqs: number[]; acked?: number }) => {
    const records = frame.seqs.map((seq) => recordOf(tenantId, seq));
    const { nodeId } = node;
    const acked = [{ tenant_id: tenantId, seq: frame.acked ?? 0 }];
    node.send({
      type: "usage",
      node_id: nodeId,
      epoch: 1,
      records,
      ...(frame.acked === undefined ? {} : { acked }),
    });
  };

  const linkedNode = async () => {
    const tenantId = uniqueId("ten");
    await makeAccount(tenantId);
    const node = await TestNode.link(freshHub(), uniqueId("node"));
    send(node, tenantId, { seqs: [1, 2] });
    await node.next("ack");
    await expect.poll(() => seqsOf(tenantId)).toEqual([1, 2]);
    return { tenantId, node };
  };

  it("goes on where the node was told, when the intake has lost it", async () => {
    const { tenantId, node } = await linkedNode();
    await runInDurableObject(intake(), (_, { storage }) => {
      storage.sql.exec("DELETE FROM watermarks WHERE tenant_id = ?", tenantId);
    });
    // Without the node's word for it a gap stays one.
    send(node, tenantId, { seqs: [3] });
    send(node, tenantId, { seqs: [3, 4], acked: 2 });
    const { watermarks } = await node.next("ack");
    expect(watermarks).toEqual([{ tenant_id: tenantId, seq: 4 }]);
    await expect.poll(() => seqsOf(tenantId)).toEqual([1, 2, 3, 4]);
    expect(await spendOf(tenantId)).toEqual({ entries: 4, spent: 88_000 });
  });

  it("goes on when packs that were not settled are lost with it, and bills the rest", async () => {
    const { tenantId, node } = await linkedNode();
    await runInDurableObject(intake(), (_, { storage }) => {
      // As if 3 had been taken, acknowledged and lost.
      storage.sql.exec("DELETE FROM watermarks WHERE tenant_id = ?", tenantId);
    });
    send(node, tenantId, { seqs: [4, 5], acked: 3 });
    expect((await node.next("ack")).watermarks).toEqual([{ tenant_id: tenantId, seq: 5 }]);
    await expect.poll(() => seqsOf(tenantId)).toEqual([1, 2, 4, 5]);
    // What comes late of the gap is taken for settled.
    send(node, tenantId, { seqs: [3, 6], acked: 5 });
    expect((await node.next("ack")).watermarks).toEqual([{ tenant_id: tenantId, seq: 6 }]);
    await expect.poll(() => seqsOf(tenantId)).toEqual([1, 2, 4, 5, 6]);
  });

  it("goes on when the account has lost what it settled", async () => {
    const { tenantId, node } = await linkedNode();
    await runInDurableObject(accountOf(tenantId), (_, { storage }) => {
      storage.sql.exec("DELETE FROM watermarks");
    });
    send(node, tenantId, { seqs: [3] });
    await node.next("ack");
    await expect.poll(() => seqsOf(tenantId)).toEqual([1, 2, 3]);
  });
});
