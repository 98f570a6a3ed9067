// A node that is gone with its journal: what its clients received is billed once, flagged, and never beside the node's own
// records of it.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { HUB_ATTACH_URL, type UsageRecord } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { freshHub, hubRequest, openStream, uniqueId } from "../../test/hub-request.ts";
import { TestNode } from "../../test/test-node.ts";
import { accountOf, intake, ledgerOf, makeAccount, recordOf, runAlarms } from "../../test/usage.ts";
import { formText } from "../region-hub/answer-form.ts";

const RESUMES = { resumes: true };
const SOURCE = { nodeId: "node-a", epoch: 7 };

/** An hour later. */
async function estimateNow(tenantId: string): Promise<void> {
  await runInDurableObject(intake(), (_, { storage }) => {
    storage.sql.exec("UPDATE deliveries SET due_ms = 0");
  });
  await runDurableObjectAlarm(intake());
  await runAlarms([tenantId]);
}

async function deliveriesOf(tenantId: string): Promise<readonly unknown[]> {
  return runInDurableObject(intake(), (_, { storage }) =>
    storage.sql
      .exec<{ delivery: string }>("SELECT delivery FROM deliveries")
      .toArray()
      .map(({ delivery }) => JSON.parse(delivery) as { readonly tenantId: string })
      .filter((delivery) => delivery.tenantId === tenantId),
  );
}

/** A stream of which three tokens came before its node went and came back as another boot. */
async function lostAnswer(tenantId: string): Promise<string> {
  const hub = freshHub();
  const nodeId = uniqueId("node");
  const node = await TestNode.link(hub, nodeId, { ...RESUMES, epoch: 5 });
  const answer = openStream(hub, hubRequest({ requestId: uniqueId("req_lost"), tenantId }));
  const id = await node.accept(14);
  for (let from = 0; from < 3; from++) node.step(id, { from, text: "a" });
  const response = await answer;
  await TestNode.link(hub, nodeId, { ...RESUMES, epoch: 6 });
  expect(await response.text()).toContain('"code":"upstream_error"');
  await expect.poll(() => deliveriesOf(tenantId)).toHaveLength(1);
  return id;
}

const record = (tenantId: string, id: string, change: Partial<UsageRecord> = {}) =>
  recordOf(tenantId, 1, { request_id: id, finish_reason: "node_lost", ...change });

describe("an answer whose node is gone", () => {
  it("is billed as it was delivered once the node's own record has not come in time", async () => {
    const tenantId = uniqueId("ten");
    await makeAccount(tenantId);
    const id = await lostAnswer(tenantId);
    expect(await ledgerOf(tenantId)).toEqual([]);
    // An invoice of its time has to wait, one of an earlier time has not.
    const unsettledBefore = async (atMs: number) =>
      (await accountOf(tenantId).books(atMs)).unsettledBefore;
    expect(await unsettledBefore(Date.now() + 1_000)).toBe(1);
    expect(await unsettledBefore(1)).toBe(0);
    await estimateNow(tenantId);
    expect(await deliveriesOf(tenantId)).toEqual([]);
    await expect
      .poll(() => ledgerOf(tenantId))
      .toMatchObject([
        {
          ...{ requestId: id, attempt: 1, entrySeq: 1, estimated: true, fault: null },
          ...{ computedPromptTokens: 0, computedCachedTokens: 0, computedOutputTokens: 0 },
          // How much of the prompt was cached is not known: the cheaper price.
          ...{ billedPromptTokens: 0, billedCachedTokens: 14, billedOutputTokens: 3 },
          billedNanoUsd: 14 * 500 + 3 * 2_000,
        },
      ]);
    await expect.poll(() => unsettledBefore(Date.now() + 1_000)).toBe(0);
  });

  it("costs nothing more when the node's record has come, with as many tokens or more", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const id = await lostAnswer(tenantId);
    await account.settleMany({ ...SOURCE, records: [record(tenantId, id, { output_tokens: 3 })] });
    await estimateNow(tenantId);
    await expect.poll(() => ledgerOf(tenantId)).toHaveLength(1);
    expect(await ledgerOf(tenantId)).toMatchObject([{ estimated: false, billedOutputTokens: 3 }]);
  });

  it("bills what was delivered beyond a record that lost its last steps", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    const id = await lostAnswer(tenantId);
    await account.settleMany({ ...SOURCE, records: [record(tenantId, id, { output_tokens: 1 })] });
    await estimateNow(tenantId);
    await expect
      .poll(() => ledgerOf(tenantId))
      .toMatchObject([
        { estimated: false, billedPromptTokens: 10, billedCachedTokens: 4, billedOutputTokens: 1 },
        { estimated: true, billedPromptTokens: 0, billedCachedTokens: 0, billedOutputTokens: 2 },
      ]);
  });

  it("bills of a record that comes after its estimate only what is beyond it", async () => {
    const tenantId = uniqueId("ten");
    await makeAccount(tenantId);
    const id = await lostAnswer(tenantId);
    await estimateNow(tenantId);
    await expect.poll(() => ledgerOf(tenantId)).toHaveLength(1);
    const late = record(tenantId, id, { output_tokens: 4 });
    await accountOf(tenantId).settleMany({ ...SOURCE, records: [late] });
    await runAlarms([tenantId]);
    const rows = (await ledgerOf(tenantId)).toSorted((one, other) => other.entrySeq - one.entrySeq);
    expect(rows).toMatchObject([
      { estimated: true, billedOutputTokens: 3 },
      {
        ...{ estimated: false, computedOutputTokens: 4 },
        ...{ billedPromptTokens: 0, billedCachedTokens: 0, billedOutputTokens: 1 },
      },
    ]);
  });

  it("is remembered for a minute after its end, and told when its node does not come back", async () => {
    const tenantId = uniqueId("ten");
    await makeAccount(tenantId);
    const hub = freshHub();
    const node = await TestNode.link(hub, uniqueId("node"), RESUMES);
    const answer = openStream(hub, hubRequest({ requestId: uniqueId("req_end"), tenantId }));
    const id = await node.accept(14);
    node.step(id, { from: 0, text: "a" });
    node.done(id, 1, 14);
    await (await answer).text();
    node.close();
    await expect
      .poll(() => deliveriesOf(tenantId), { timeout: 10_000 })
      .toMatchObject([{ requestId: id, outputTokens: 1, promptTokens: 14 }]);
  }, 15_000);

  it("is told of an answer that a client came back to as well, for the key that asked for it", async () => {
    const tenantId = uniqueId("ten");
    await makeAccount(tenantId);
    const hub = freshHub();
    const [nodeId, requestId] = [uniqueId("node"), uniqueId("req_back")];
    const node = await TestNode.link(hub, nodeId, RESUMES);
    const back = { requestId, tenantId, keyId: "key_reader", lastTokenIndex: 0 };
    const body = JSON.stringify({ ...back, deadlineMs: Date.now() + 60_000 });
    const answer = hub.fetch(HUB_ATTACH_URL, { method: "POST", body });
    await node.next("attach");
    const form = formText(hubRequest({ requestId, tenantId }), 2);
    node.send({ type: "attached", id: requestId, model: "tiny", prompt_tokens: 14, form });
    node.step(requestId, { from: 0, text: "a", n: 3 });
    const response = await answer;
    await TestNode.link(hub, nodeId, { ...RESUMES, epoch: 2 });
    expect(await response.text()).toContain("event: error");
    await expect
      .poll(() => deliveriesOf(tenantId))
      .toMatchObject([{ requestId, attempt: 2, keyId: "key_a", outputTokens: 3 }]);
  });
});
