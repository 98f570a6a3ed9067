// The expected text was computed outside this code base, from the written format with Python's hmac.
import type { Random } from "@fairlane/base";
import { describe, expect, it } from "vitest";
import { isNodeName, makeNodeToken, readNodeToken } from "./node-token.ts";

const PEPPER = "pepper-one";
const TEXT =
  "fln1_node-a1_0001081g81860w40j2gb1g6gw3rg2491650n2rbhg68t3ce1t7gz_6d75m3sht53xqmgf4w6p1apcmn";

const countingBytes: Random = {
  fill(target) {
    target.forEach((_, index) => (target[index] = index));
    return target;
  },
};

describe("node token", () => {
  it("has the written format", async () => {
    const options = { nodeName: "node-a1", pepper: PEPPER, random: countingBytes };
    expect(await makeNodeToken(options)).toBe(TEXT);
  });

  it("names the node it was made for", async () => {
    expect(await readNodeToken(TEXT, PEPPER)).toEqual({ nodeName: "node-a1" });
  });

  it("refuses another pepper, another name and every changed character", async () => {
    expect(await readNodeToken(TEXT, "pepper-two")).toBeUndefined();
    expect(await readNodeToken(TEXT.replace("node-a1", "node-a2"), PEPPER)).toBeUndefined();
    for (let index = 0; index < TEXT.length; index++) {
      const other = TEXT[index] === "1" ? "2" : "1";
      const changed = TEXT.slice(0, index) + other + TEXT.slice(index + 1);
      expect(await readNodeToken(changed, PEPPER)).toBeUndefined();
    }
  });

  it("is not read from an API key's text", async () => {
    expect(await readNodeToken(TEXT.replace("fln1", "fl1"), PEPPER)).toBeUndefined();
  });

  it.each([
    ["node-a1", true],
    ["0", true],
    ["a".repeat(32), true],
    ["a".repeat(33), false],
    ["", false],
    ["Node", false],
    ["a_b", false],
    ["a b", false],
    ["a\n", false],
  ])("takes %j as a node name: %s", (name, expected) => {
    expect(isNodeName(name)).toBe(expected);
  });
});
