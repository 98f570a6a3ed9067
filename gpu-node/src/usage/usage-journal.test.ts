// Shows what the journal promises one case at a time; usage-journal.prop.test.ts drives it at random.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UsageJournal } from "./usage-journal.ts";
import type { BilledRequest } from "./usage-record-row.ts";

let folder = "";
let nowMs = 0;
const clock = { nowMs: () => nowMs };

function open(nodeId = "node-a"): UsageJournal {
  return new UsageJournal({ folder, nodeId, clock });
}

function request(id: string, tenantId = "ten_a"): BilledRequest {
  return {
    requestId: id,
    attempt: 1,
    tenantId,
    projectId: "prj_a",
    keyId: "key_a",
    model: "tiny",
    priceVersion: "v1",
    promptTokens: 10,
    receivedAtMs: 5_000,
  };
}

function counts(computedPromptTokens: number, outputTokens: number) {
  return { cachedTokens: 0, computedPromptTokens, outputTokens, queueMs: 3, ttftMs: 8 };
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fairlane-journal-"));
  nowMs = 6_000;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("UsageJournal", () => {
  it("writes a final record with the journaled counts when a request ends", () => {
    const journal = open();
    const [key = 0] = journal.accept([request("req_1")]);
    journal.commitStep([{ key, counts: counts(10, 1), finishReason: null }]);
    nowMs = 6_500;
    journal.commitStep([{ key, counts: counts(10, 2), finishReason: "stop" }]);
    expect(journal.pending(0, 10)).toEqual({
      epoch: 6_000,
      lastPosition: 1,
      acked: [],
      records: [
        {
          tenant_id: "ten_a",
          seq: 1,
          request_id: "req_1",
          attempt: 1,
          project_id: "prj_a",
          key_id: "key_a",
          model: "tiny",
          price_version: "v1",
          final: true,
          finish_reason: "stop",
          prompt_tokens: 10,
          cached_tokens: 0,
          computed_prompt_tokens: 10,
          output_tokens: 2,
          received_at_ms: 5_000,
          queue_ms: 3,
          ttft_ms: 8,
          ended_at_ms: 6_500,
        },
      ],
    });
    journal.close();
  });

  it("numbers the records of each tenant from 1 without a gap", () => {
    const journal = open();
    const keys = journal.accept([request("r1", "ten_a"), request("r2", "ten_b"), request("r3")]);
    journal.commitStep(keys.map((key) => ({ key, counts: counts(1, 0), finishReason: "length" })));
    const pairs = journal.pending(0, 10)?.records.map((record) => [record.tenant_id, record.seq]);
    expect(pairs).toEqual([
      ["ten_a", 1],
      ["ten_b", 1],
      ["ten_a", 2],
    ]);
    journal.close();
  });

  it("closes requests that the last process left open as node_lost under their own epoch", () => {
    const first = open();
    const [key = 0] = first.accept([request("req_1"), request("req_2")]);
    nowMs = 6_100;
    first.commitStep([{ key, counts: counts(7, 0), finishReason: null }]);
    first.close();
    nowMs = 9_000;
    const second = open();
    expect(second.epoch).toBe(9_000);
    const lost = second.pending(0, 10);
    expect(lost?.epoch).toBe(6_000);
    expect(
      lost?.records.map((record) => [
        record.request_id,
        record.seq,
        record.finish_reason,
        record.computed_prompt_tokens,
        record.queue_ms,
        record.ttft_ms,
        record.ended_at_ms,
      ]),
    ).toEqual([
      ["req_1", 1, "node_lost", 7, 3, 8, 6_100],
      ["req_2", 2, "node_lost", 0, 1_100, null, 6_100],
    ]);
    second.close();
  });

  it("starts a greater epoch at every open, even when the clock went back", () => {
    open().close();
    nowMs = 10;
    const journal = open();
    expect(journal.epoch).toBe(6_001);
    journal.close();
  });

  it("hands out the oldest epoch first and drops what is acknowledged", () => {
    const first = open();
    first.accept([request("req_1")]);
    first.close();
    nowMs = 7_000;
    const second = open();
    const [key = 0] = second.accept([request("req_2")]);
    second.commitStep([{ key, counts: counts(1, 1), finishReason: "stop" }]);
    expect(second.unackedRecords).toBe(2);
    expect(second.pending(0, 10)?.epoch).toBe(6_000);
    second.ack(6_000, [{ tenant_id: "ten_a", seq: 1 }]);
    expect(second.pending(0, 10)?.epoch).toBe(7_000);
    second.ack(7_000, [{ tenant_id: "ten_a", seq: 99 }]);
    second.ack(7_000, [{ tenant_id: "nobody", seq: 1 }]);
    second.ack(1, [{ tenant_id: "ten_a", seq: 1 }]);
    expect(second.pending(0, 10)).toBeUndefined();
    expect(second.unackedRecords).toBe(0);
    second.close();
  });

  it("keeps the newest 10,000 acknowledged records and prunes older ones", () => {
    const journal = open();
    const ids = Array.from({ length: 11_000 }, (_, index) => request(`req_${index}`));
    const keys = journal.accept(ids);
    journal.commitStep(keys.map((key) => ({ key, counts: counts(1, 1), finishReason: "stop" })));
    journal.ack(6_000, [{ tenant_id: "ten_a", seq: 10_500 }]);
    const reader = new Database(join(folder, "usage-journal.sqlite"), { readonly: true });
    const kept = reader.prepare("SELECT min(seq) AS first, count(*) AS n FROM usage_records").get();
    reader.close();
    expect(kept).toEqual({ first: 501, n: 10_500 });
    expect(journal.unackedRecords).toBe(500);
    expect(journal.pending(0, 1)?.records[0]?.seq).toBe(10_501);
    journal.close();
  });

  it("refuses counts that go back and counts of a request that is not open", () => {
    const journal = open();
    const [key = 0] = journal.accept([request("req_1")]);
    journal.commitStep([{ key, counts: counts(4, 1), finishReason: null }]);
    const back = { key, counts: counts(4, 0), finishReason: null };
    expect(() => journal.commitStep([back])).toThrow("counts of req_1 went back");
    const unknown = { key: key + 1, counts: counts(1, 1), finishReason: null };
    expect(() => journal.commitStep([unknown])).toThrow("not open");
    journal.close();
  });

  it("refuses a second process on the same folder and lets it in after the first is gone", () => {
    const first = open();
    expect(() => open()).toThrow("Another fairlane-node uses this state folder");
    first.close();
    open().close();
  });

  it("refuses a folder that belongs to another node", () => {
    open("node-a").close();
    expect(() => open("node-b")).toThrow("belongs to node 'node-a', not to 'node-b'");
    open("node-a").close();
  });

  it("refuses a damaged file with a sentence that says to keep it", () => {
    writeFileSync(
      join(folder, "usage-journal.sqlite"),
      "this is not a database, not at all ".repeat(200),
    );
    expect(() => open()).toThrow(/cannot be opened: .*keep the file/);
    expect(() => open()).toThrow(/cannot be opened/);
  });
});
