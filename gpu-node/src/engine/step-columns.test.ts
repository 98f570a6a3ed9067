import { describe, expect, it } from "vitest";
import { BlockTable } from "../memory/block-table.ts";
import { abort, joinRunning, type RunningRequest } from "../request/request.ts";
import { progressOf } from "../request/request-progress.ts";
import { engineRequest } from "../scheduler/testing/engine-request.ts";
import { ColumnReader, ColumnReport, type PackedStep } from "./step-columns.ts";
import type { FromWorker } from "./worker-messages.ts";

function running(requestId: string, slot: number): RunningRequest {
  const spec = engineRequest(requestId, { promptLength: 3 });
  const queued = { state: "queued", spec, outputTokensMax: 8, latestStartMs: 0 } as const;
  return joinRunning(queued, { slot, blocks: new BlockTable(16), scheduledAtMs: 40 + slot });
}

/** A report whose messages cross to a reader as they do between threads. */
function crossing() {
  const reader = new ColumnReader();
  const read: FromWorker[] = [];
  const joinedCounts: number[] = [];
  const report = new ColumnReport(2, (message) => {
    joinedCounts.push(message.joined.length);
    read.push(reader.read(structuredClone(message)));
  });
  return { report, read, joinedCounts };
}

const FACTS = {
  stepId: 7,
  computeUs: 9,
  discarded: { promptTokens: 1, outputTokens: 2 },
  load: { running: 2, waiting: 0, pagesFree: 3, pagesTotal: 4 },
};

describe("ColumnReport and ColumnReader", () => {
  it("carry a step over as it was told", () => {
    const { report, read, joinedCounts } = crossing();
    const [a, b] = [running("a", 0), running("b", 1)];
    a.computedPromptTokens = 2;
    report.goesOn(a, null);
    b.computedPromptTokens = 3;
    b.outputTokens = 1;
    report.goesOn(b, 77);
    expect(report.count).toBe(2);
    report.post(FACTS);
    const told = [progressOf(a, []), progressOf(b, [77])];
    expect(read[0]).toEqual({ type: "step", ...FACTS, progress: told });
    expect(report.count).toBe(0);

    b.outputTokens = 2;
    report.goesOn(b, 5);
    const ended = progressOf(abort(a, null), []);
    report.add(ended);
    report.post(FACTS);
    expect(read[1]).toMatchObject({ progress: [progressOf(b, [5]), ended] });
    expect(joinedCounts).toEqual([2, 0]);
  });

  it("announce a slot again when another request has it", () => {
    const { report, read, joinedCounts } = crossing();
    for (const request of [running("a", 0), running("b", 0)]) {
      report.goesOn(request, 1);
      report.post(FACTS);
    }
    expect(read).toMatchObject([
      { progress: [{ requestId: "a" }] },
      { progress: [{ requestId: "b", scheduledAtMs: 40 }] },
    ]);
    expect(joinedCounts).toEqual([1, 1]);
  });

  it("carry every step over to a reader that is behind, and shared rows again once it has caught up", () => {
    const reader = new ColumnReader();
    const posted: PackedStep[] = [];
    const report = new ColumnReport(1, (message) => posted.push(structuredClone(message)));
    const request = running("a", 0);
    const post = (token: number): void => {
      report.goesOn(request, token);
      report.post(FACTS);
    };
    for (let token = 0; token < 10; token++) post(token);
    expect(posted.map(({ spilled }) => spilled?.length)).toEqual([
      ...Array.from({ length: 8 }, () => undefined),
      5,
      5,
    ]);
    const tokens = posted.flatMap((packed) => reader.read(packed).progress[0]?.newTokens ?? []);
    expect(tokens).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    post(10);
    expect(posted[10]?.spilled).toBeUndefined();
    expect(posted.map(({ ring }) => ring !== undefined).indexOf(true, 1)).toBe(-1);
    const last = posted[10];
    expect(last && reader.read(last).progress[0]?.newTokens).toEqual([10]);
  });

  it("carry a step of which all was discarded", () => {
    const { report, read } = crossing();
    report.post(FACTS);
    expect(read).toEqual([{ type: "step", ...FACTS, progress: [] }]);
  });
});
