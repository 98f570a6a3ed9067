// Drives the report against a real journal and a hub that answers, is silent, or goes away.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { UsageFrame } from "@fairlane/protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SILENT_LOG } from "../log.ts";
import { UsageJournal } from "./usage-journal.ts";
import { UsageReport } from "./usage-report.ts";

let folder = "";
let journal: UsageJournal;
let sent: UsageFrame[] = [];

function finish(count: number, tenantId = "ten_a"): void {
  const requests = Array.from({ length: count }, (_, index) => ({
    requestId: `req_${tenantId}_${index}`,
    attempt: 1,
    tenantId,
    projectId: "p",
    keyId: "k",
    model: "m",
    priceVersion: "v",
    promptTokens: 1,
    receivedAtMs: 1,
  }));
  const counts = {
    cachedTokens: 0,
    computedPromptTokens: 1,
    outputTokens: 1,
    queueMs: 0,
    ttftMs: 0,
  };
  const keys = journal.accept(requests);
  journal.commitStep(keys.map((key) => ({ key, counts, finishReason: "stop" })));
}

function seqsOf(frame: UsageFrame | undefined): number[] {
  return frame?.records.map((record) => record.seq) ?? [];
}

function makeReport(): UsageReport {
  return new UsageReport({ journal, nodeId: "node-a", log: SILENT_LOG, ackTimeoutMs: 1_000 });
}

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  folder = mkdtempSync(join(tmpdir(), "fairlane-report-"));
  journal = new UsageJournal({ folder, nodeId: "node-a", clock: { nowMs: () => 1_000 } });
});
afterEach(() => {
  vi.useRealTimers();
  journal.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("UsageReport", () => {
  it("sends what is unacknowledged when the link comes up and new records after the ack", () => {
    finish(2);
    const report = makeReport();
    report.recordsAdded();
    expect(sent).toEqual([]);
    report.linkUp((frame) => sent.push(frame));
    expect(sent.map(seqsOf)).toEqual([[1, 2]]);
    finish(1);
    report.recordsAdded();
    expect(sent).toHaveLength(1);
    report.acked({ type: "ack", epoch: 1_000, watermarks: [{ tenant_id: "ten_a", seq: 2 }] });
    expect(sent.map(seqsOf)).toEqual([[1, 2], [3]]);
    report.acked({ type: "ack", epoch: 1_000, watermarks: [{ tenant_id: "ten_a", seq: 3 }] });
    expect(journal.unackedRecords).toBe(0);
    report.linkDown();
  });

  it("says up to where the tenants of a frame were acknowledged, those that were at all", () => {
    finish(2, "ten_a");
    finish(1, "ten_b");
    const report = makeReport();
    report.linkUp((frame) => sent.push(frame));
    expect(sent[0]?.acked).toBeUndefined();
    const ack = { type: "ack", epoch: 1_000 } as const;
    report.acked({ ...ack, watermarks: [{ tenant_id: "ten_a", seq: 1 }] });
    finish(1, "ten_c");
    report.linkDown();
    report.linkUp((frame) => sent.push(frame));
    expect(sent[1]?.records.map((record) => [record.tenant_id, record.seq])).toEqual([
      ["ten_a", 2],
      ["ten_b", 1],
      ["ten_c", 1],
    ]);
    expect(sent[1]?.acked).toEqual([{ tenant_id: "ten_a", seq: 1 }]);
    report.linkDown();
  });

  it("sends everything again after a reconnect", () => {
    finish(1);
    const report = makeReport();
    report.linkUp((frame) => sent.push(frame));
    report.linkDown();
    report.linkUp((frame) => sent.push(frame));
    expect(sent.map(seqsOf)).toEqual([[1], [1]]);
    report.linkDown();
  });

  it("sends batches of at most 512 records", () => {
    finish(600);
    const report = makeReport();
    report.linkUp((frame) => sent.push(frame));
    expect(sent[0]?.records).toHaveLength(512);
    report.acked({ type: "ack", epoch: 1_000, watermarks: [{ tenant_id: "ten_a", seq: 512 }] });
    expect(seqsOf(sent[1])).toHaveLength(88);
    report.linkDown();
  });

  it("lets others pass a tenant whose records are not acknowledged, and comes back to it", () => {
    finish(512, "ten_stuck");
    finish(1, "ten_b");
    const report = makeReport();
    report.linkUp((frame) => sent.push(frame));
    expect(sent.at(-1)?.records[0]?.tenant_id).toBe("ten_stuck");
    vi.advanceTimersByTime(1_000);
    expect(sent.at(-1)?.records.map((record) => record.tenant_id)).toEqual(["ten_b"]);
    report.acked({ type: "ack", epoch: 1_000, watermarks: [{ tenant_id: "ten_b", seq: 1 }] });
    expect(sent.at(-1)?.records).toHaveLength(512);
    expect(sent.at(-1)?.records[0]?.tenant_id).toBe("ten_stuck");
    report.linkDown();
  });
});
