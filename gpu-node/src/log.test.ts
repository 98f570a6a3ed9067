// Shows both forms of a line.
import { describe, expect, it } from "vitest";
import { makeLog } from "./log.ts";

function lines(form: "json" | "text"): string[] {
  const written: string[] = [];
  const log = makeLog({ write: (line) => written.push(line), form, nowMs: () => 0 });
  log.warn("link_lost", { shard: 1, reason: 'said "no"\nand left', message: undefined });
  return written;
}

describe("makeLog", () => {
  it("writes one JSON object a line", () => {
    expect(lines("json")).toEqual([
      '{"at":"1970-01-01T00:00:00.000Z","level":"warn","event":"link_lost","shard":1,"reason":"said \\"no\\"\\nand left"}',
    ]);
  });

  it("writes one short line for people", () => {
    expect(lines("text")).toEqual([
      '00:00:00.000 warn  link_lost shard=1 reason="said \\"no\\"\\nand left"',
    ]);
  });
});
