// The expected digests were computed outside this code base, with Python's hashlib and hmac.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equalsConstantTime, frameFields, hashFields, macFields } from "./hash-key.ts";
import { toHex } from "./hex.ts";

describe("frameFields", () => {
  it("puts each part's length before it, the domain first", () => {
    expect(toHex(frameFields("d", ["a", ""]))).toBe("0100000064010000006100000000");
  });

  it("never frames two different lists alike", () => {
    const fields = fc.array(fc.string(), { maxLength: 4 });
    fc.assert(
      fc.property(fc.string(), fields, fc.string(), fields, (d1, f1, d2, f2) => {
        const same = JSON.stringify([d1, ...f1]) === JSON.stringify([d2, ...f2]);
        expect(toHex(frameFields(d1, f1)) === toHex(frameFields(d2, f2))).toBe(same);
      }),
    );
  });

  it("does not let text move from one field into the next", () => {
    expect(frameFields("d", ["ab", "c"])).not.toEqual(frameFields("d", ["a", "bc"]));
    expect(frameFields("d", ["ab"])).not.toEqual(frameFields("d", ["a", "b"]));
    expect(frameFields("da", ["b"])).not.toEqual(frameFields("d", ["ab"]));
  });
});

describe("hashFields and macFields", () => {
  it("are SHA-256 and HMAC-SHA-256 of the framed fields", async () => {
    expect(toHex(await hashFields("d", ["a", ""]))).toBe(
      "9785ee6fa01d37c0cb90e8ff08343e0b623f08de18b73b1f0407cda54da9b7d5",
    );
    expect(toHex(await macFields("s", "d", ["a"]))).toBe(
      "2bd0d9e058585e8461f30da3798bc5c92e2edabc411f2680c89b30790ad301f6",
    );
  });

  it("take bytes as well as text", async () => {
    expect(await hashFields("d", [new Uint8Array([0x61]), ""])).toEqual(
      await hashFields("d", ["a", ""]),
    );
  });
});

describe("equalsConstantTime", () => {
  it("compares by value", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (left, right) => {
        expect(equalsConstantTime(left, left.slice())).toBe(true);
        expect(equalsConstantTime(left, right)).toBe(toHex(left) === toHex(right));
      }),
    );
  });

  it("sees a difference of one bit anywhere", () => {
    const left = new Uint8Array(32).fill(7);
    for (let index = 0; index < left.length; index++) {
      const right = left.slice();
      right[index] = 6;
      expect(equalsConstantTime(left, right)).toBe(false);
    }
  });
});
