// The expected ULID was computed outside this code base, with Python integers.
import { describe, expect, it } from "vitest";
import { isId, newId, ulid } from "./ulid.ts";

const clockAt = (nowMs: number) => ({ nowMs: () => nowMs });
const countingBytes = {
  fill(target: Uint8Array<ArrayBuffer>) {
    target.forEach((_, index) => (target[index] = index));
    return target;
  },
};

describe("ulid", () => {
  it("is 48 bits of milliseconds and 80 random bits", () => {
    expect(ulid(clockAt(1_793_491_200_000), countingBytes)).toBe("01m6a6ft000r3gg28a1c60t3gf");
  });

  it("sorts by time over the whole range of the clock", () => {
    const times = [0, 1, 2 ** 32 - 1, 2 ** 32, 1_793_491_200_000, 2 ** 48 - 1];
    const ids = times.map((time) => ulid(clockAt(time), countingBytes));
    expect(ids).toEqual(ids.toSorted());
    expect(new Set(ids).size).toBe(times.length);
  });

  it.each([-1, 0.5, 2 ** 48, Number.NaN])("refuses the time %d", (nowMs) => {
    expect(() => ulid(clockAt(nowMs), countingBytes)).toThrow("clock out of range");
  });
});

describe("newId", () => {
  it("says what it names", () => {
    const id = newId("req", clockAt(1_793_491_200_000), countingBytes);
    expect(id).toBe("req_01m6a6ft000r3gg28a1c60t3gf");
    expect(isId("req", id)).toBe(true);
    expect(isId("ten", id)).toBe(false);
  });
});

describe("isId", () => {
  it.each([
    "01m6a6ft000r3gg28a1c60t3gf",
    "req_",
    "req_01m6a6ft000r3gg28a1c60t3g",
    "req_01m6a6ft000r3gg28a1c60t3gff",
    "req_01M6A6FT000R3GG28A1C60T3GF",
    "req_81m6a6ft000r3gg28a1c60t3gf",
    "req_01m6a6ft000r3gg28a1c60t3gu",
    "req_01m6a6ft000r3gg28a1c60t3gf\n",
    "req_../../../../../etc/passwd",
  ])("refuses %j", (text) => {
    expect(isId("req", text)).toBe(false);
  });
});
