import { describe, expect, it } from "vitest";
import { progressBar } from "./progress-bar.ts";

function recorder(isTTY: boolean, columns = 100) {
  const written: string[] = [];
  let nowMs = 0;
  const output = { isTTY, columns, write: (text: string) => written.push(text) };
  const report = progressBar(output, { nowMs: () => nowMs });
  return { written, report, wait: (ms: number) => (nowMs += ms) };
}

describe("progressBar", () => {
  it("redraws one line on a terminal, at most ten times a second, and ends it when done", () => {
    const { written, report, wait } = recorder(true);
    report({ label: "Downloading x", doneBytes: 0, totalBytes: 2_000_000 });
    report({ label: "Downloading x", doneBytes: 10, totalBytes: 2_000_000 });
    wait(100);
    report({ label: "Downloading x", doneBytes: 1_000_000, totalBytes: 2_000_000 });
    report({ label: "Downloading x", doneBytes: 2_000_000, totalBytes: 2_000_000 });
    expect(written).toEqual([
      "\r\u001b[2KDownloading x [........................]   0 % 0.0 of 2.0 MB",
      "\r\u001b[2KDownloading x [############............]  50 % 1.0 of 2.0 MB",
      "\r\u001b[2KDownloading x [########################] 100 % 2.0 of 2.0 MB",
      "\n",
    ]);
  });

  it("never draws wider than the terminal", () => {
    const { written, report } = recorder(true, 20);
    report({ label: "Downloading x", doneBytes: 0, totalBytes: 1 });
    expect(written[0]?.replace("\r\u001b[2K", "")).toHaveLength(19);
  });

  it("starts a new line for a new step", () => {
    const { written, report } = recorder(true);
    report({ label: "a", doneBytes: 0, totalBytes: 10 });
    report({ label: "b", doneBytes: 0, totalBytes: 10 });
    expect(written[1]).toBe("\n");
    expect(written[2]).toContain("b [");
  });

  it("writes a line every ten per cent where there is no terminal", () => {
    const { written, report } = recorder(false);
    for (let done = 0; done <= 1_000; done++) {
      report({ label: "x", doneBytes: done * 1_000, totalBytes: 1_000_000 });
    }
    expect(written).toHaveLength(11);
    expect(written[0]).toBe("x: 0 % of 1.0 MB\n");
    expect(written[1]).toBe("x: 10 % of 1.0 MB\n");
    expect(written[10]).toBe("x: 100 % of 1.0 MB\n");
  });

  it("takes an empty file as done", () => {
    const { written, report } = recorder(false);
    report({ label: "x", doneBytes: 0, totalBytes: 0 });
    expect(written).toEqual(["x: 100 % of 0.0 MB\n"]);
  });
});
