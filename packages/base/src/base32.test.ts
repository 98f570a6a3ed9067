// The expected texts were computed outside this code base, with Python integers.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { base32Decode, base32Encode } from "./base32.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

describe("base32", () => {
  it.each([
    [new Uint8Array([0x00]), "00"],
    [new Uint8Array([0xff]), "7z"],
    [bytesOf("hello"), "d1jprv3f"],
    [new Uint8Array(16).fill(0xff), "7zzzzzzzzzzzzzzzzzzzzzzzzz"],
  ])("writes %j as %s", (bytes, text) => {
    expect(base32Encode(bytes)).toBe(text);
    expect(base32Decode(text, bytes.length)).toEqual(new Uint8Array(bytes));
  });

  it("reads back what it wrote", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (bytes) => {
        expect(base32Decode(base32Encode(bytes), bytes.length)).toEqual(new Uint8Array(bytes));
      }),
    );
  });

  it("has one text for each value", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9a-hjkmnp-tv-z]{26}$/), (text) => {
        const bytes = base32Decode(text, 16);
        if (bytes) expect(base32Encode(bytes)).toBe(text);
        else expect("89abcdefghjkmnpqrstvwxyz").toContain(text[0]);
      }),
    );
  });

  it.each([
    ["d1jprv3", 5],
    ["d1jprv3ff", 5],
    ["D1JPRV3F", 5],
    ["d1jprv3u", 5],
    ["8z", 1],
    ["", 1],
  ])("does not read %j as %i bytes", (text, byteCount) => {
    expect(base32Decode(text, byteCount)).toBeUndefined();
  });

  it("refuses a byte count that is no count", () => {
    expect(() => base32Decode("00", 0)).toThrow("byteCount must be > 0, got 0");
    expect(() => base32Decode("00", 1.5)).toThrow("byteCount must be > 0, got 1.5");
  });
});
