import { describe, expect, it } from "vitest";
import { parseDevFlags } from "./dev-flags.ts";

describe("parseDevFlags", () => {
  it("starts one region, one node and one shard unless told otherwise", () => {
    expect(parseDevFlags([])).toMatchObject({ regionCount: 1, nodeCount: 1, shardCount: 1 });
  });

  it("gives each region a node unless told otherwise", () => {
    expect(parseDevFlags(["--regions", "3"])).toMatchObject({ regionCount: 3, nodeCount: 3 });
    const more = parseDevFlags(["--regions", "2", "--nodes", "5", "--shards", "4"]);
    expect(more).toMatchObject({ regionCount: 2, nodeCount: 5, shardCount: 4 });
  });

  it.each([
    [["--regions", "9"], "--regions is '9': it must be a number from 1 to 8."],
    [["--nodes", "0"], "--nodes is '0': it must be a number from 1 to 16."],
    [["--shards", "x"], "--shards is 'x': it must be a number from 1 to 16."],
    [["--regions", "2", "--nodes", "1"], "--nodes is 1: each of the 2 regions needs one."],
    [["--port", "70000"], "--port is '70000': it must be a port from 0 to 65535."],
  ])("refuses %j", (args, sentence) => {
    expect(() => parseDevFlags(args)).toThrow(sentence);
  });
});
