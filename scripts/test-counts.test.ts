import { describe, expect, it } from "vitest";
import { closingLine, countCtest, countVitest, skippedFiles, sumCounts } from "./test-counts.ts";

const CTEST = `Test project /build
    Start 1: gemm
1/5 Test #1: gemm .............................   Passed    0.52 sec
    Start 2: paged_attention
2/5 Test #2: paged_attention ..................***Failed    0.02 sec
3/5 Test #3: gpu ..............................***Skipped   0.00 sec
4/5 Test #4: engine ...........................***Exception: SegFault  0.10 sec
5/5 Test #5: lost .............................***Not Run   0.00 sec

40% tests passed, 3 tests failed out of 5`;

const REPORT = {
  testResults: [
    {
      name: "/repo/apps/hub/src/a.test.ts",
      status: "passed",
      assertionResults: [{ status: "passed" }, { status: "pending" }],
    },
    { name: "/repo/apps/edge/src/b.test.ts", status: "failed", assertionResults: [] },
    {
      name: "/repo/packages/base/src/c.test.ts",
      status: "failed",
      assertionResults: [{ status: "failed" }, { status: "passed" }, { status: "todo" }],
    },
  ],
};

describe("countCtest", () => {
  it("counts passed and skipped tests and takes every other verdict as a failure", () => {
    expect(countCtest(CTEST.split("\n"))).toEqual({ passed: 1, failed: 3, skipped: 1 });
  });

  it("counts nothing in an empty output", () => {
    expect(countCtest([])).toEqual({ passed: 0, failed: 0, skipped: 0 });
  });
});

describe("countVitest", () => {
  it("counts a file that did not load as one failure", () => {
    const all = countVitest(REPORT, () => true);
    expect(all).toEqual({ passed: 2, failed: 2, skipped: 2 });
  });

  it("counts the files that are asked for", () => {
    const workers = countVitest(REPORT, (file) => file.includes("/apps/"));
    expect(workers).toEqual({ passed: 1, failed: 1, skipped: 1 });
  });

  it("refuses a report of another shape", () => {
    expect(() => countVitest({ tests: [] }, () => true)).toThrow("testResults");
  });
});

describe("skippedFiles", () => {
  it("names a file whose tests were all skipped, and no other", () => {
    const pending = { status: "pending" };
    const report = {
      testResults: [
        ...REPORT.testResults,
        { name: "/repo/test/golden/model.test.ts", status: "passed", assertionResults: [pending] },
      ],
    };
    expect(skippedFiles(report)).toEqual(["/repo/test/golden/model.test.ts"]);
  });
});

describe("closingLine", () => {
  it("names the sums of all runners", () => {
    const total = sumCounts([
      { passed: 3, failed: 0, skipped: 1 },
      { passed: 4, failed: 2, skipped: 0 },
    ]);
    expect(closingLine(total)).toBe("7 passed, 2 failed, 1 skipped");
  });
});
