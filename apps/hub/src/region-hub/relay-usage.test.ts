// How usage frames are put together into commits, and what is acknowledged of them.
import type { CommitBatch, HubFrame, UsageFrame, UsageRecord } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { USAGE_RECORDS_WAITING_MAX } from "../limits.ts";
import { UsageRelay } from "./relay-usage.ts";

const record = (seq: number): UsageRecord => ({
  tenant_id: "ten_a",
  seq,
  request_id: `req_${seq}`,
  attempt: 1,
  project_id: "prj_a",
  key_id: "key_a",
  model: "tiny",
  price_version: "plan_a",
  final: true,
  finish_reason: "stop",
  prompt_tokens: 1,
  cached_tokens: 0,
  computed_prompt_tokens: 1,
  output_tokens: 1,
  received_at_ms: 1,
  queue_ms: 0,
  ttft_ms: 1,
  ended_at_ms: 2,
});
const frame = (epoch: number, ...seqs: number[]): UsageFrame => ({
  type: "usage",
  node_id: "n1",
  epoch,
  records: seqs.map(record),
});

/** A relay whose commits end when the test lets them. */
function relayed() {
  const commits: { epoch: number; seqs: number[]; end: (isDurable: boolean) => void }[] = [];
  const sent: HubFrame[] = [];
  let heard = () => {};
  const commit = ({ epoch, records }: CommitBatch) =>
    new Promise<{ watermarks: { tenant_id: string; seq: number }[] }>((resolve, reject) => {
      const seqs = records.map(({ seq }) => seq);
      const end = (isDurable: boolean) =>
        isDurable
          ? resolve({ watermarks: [{ tenant_id: "ten_a", seq: seqs.at(-1) ?? 0 }] })
          : reject(new Error("lost"));
      commits.push({ epoch, seqs, end });
      heard();
    });
  const link = { nodeId: "n1", send: (one: HubFrame) => void sent.push(one) };
  const relay = new UsageRelay(link, () => ({ commit }));
  const nextCommit = async (index: number) => {
    while (commits.length <= index) await new Promise<void>((resolve) => (heard = resolve));
    const found = commits[index];
    if (!found) throw new Error("no commit");
    return found;
  };
  return { relay, commits, sent, nextCommit };
}

describe("usage of a link", () => {
  it("goes at once when nothing is under way; what comes meanwhile shares the next commit", async () => {
    const { relay, commits, sent, nextCommit } = relayed();
    relay.push(frame(1, 1));
    relay.push(frame(1, 2, 3));
    relay.push(frame(1, 4));
    expect(commits.map(({ seqs }) => seqs)).toEqual([[1]]);
    commits[0]?.end(true);
    (await nextCommit(1)).end(true);
    expect(commits.map(({ seqs }) => seqs)).toEqual([[1], [2, 3, 4]]);
    relay.push(frame(1, 5));
    (await nextCommit(2)).end(true);
    expect(sent.map((one) => one.type === "ack" && one.watermarks)).toEqual([
      [{ tenant_id: "ten_a", seq: 1 }],
      [{ tenant_id: "ten_a", seq: 4 }],
    ]);
  });

  it("is never mixed between epochs, nor reordered", async () => {
    const { relay, commits, nextCommit } = relayed();
    relay.push(frame(1, 1));
    relay.push(frame(1, 2));
    relay.push(frame(2, 1));
    relay.push(frame(1, 3));
    for (let index = 0; index < 4; index++) (await nextCommit(index)).end(true);
    expect(commits.map(({ epoch, seqs }) => [epoch, seqs])).toEqual([
      [1, [1]],
      [1, [2]],
      [2, [1]],
      [1, [3]],
    ]);
  });

  it("is not acknowledged when the commit failed, and the next one goes on", async () => {
    const { relay, sent, nextCommit } = relayed();
    relay.push(frame(1, 1));
    relay.push(frame(1, 2));
    (await nextCommit(0)).end(false);
    expect(sent).toEqual([]);
    expect((await nextCommit(1)).seqs).toEqual([2]);
  });

  it("waits up to a bound and fills commits up to theirs", async () => {
    const { relay, commits, nextCommit } = relayed();
    const seqs = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => from + index);
    relay.push(frame(1, 1));
    for (let from = 2; from < USAGE_RECORDS_WAITING_MAX + 300; from += 256) {
      relay.push(frame(1, ...seqs(from, 256)));
    }
    const commitCount = 1 + USAGE_RECORDS_WAITING_MAX / 512;
    for (let index = 0; index < commitCount; index++) (await nextCommit(index)).end(true);
    const sizes = commits.map((commit) => commit.seqs.length);
    expect(sizes).toEqual([1, ...Array.from({ length: commitCount - 1 }, () => 512)]);
  });
});
