// The expected texts were computed outside this code base, from the written format with Python's hmac.
import type { Random } from "@fairlane/base";
import { describe, expect, it } from "vitest";
import { makeApiKey, readApiKey } from "./api-key-text.ts";

const PEPPER = "pepper-one";
const TENANT = "ten_01jd0000000000000000000001";
const KEY = "key_01jd0000000000000000000002";
const TEXT =
  "fl1_01jd0000000000000000000001_01jd0000000000000000000002_0001081g81860w40j2gb1g6gw3rg2491650n2rbhg68t3ce1t7gz_4f3wdkjd304brkjsgea1f1jzvs";
const SECRET_HASH = "b32039ad7379d7fa0226a8ebda55c1479fc4104335fcf661caea1a37d070f84c";

const countingBytes: Random = {
  fill(target) {
    target.forEach((_, index) => (target[index] = index));
    return target;
  },
};

describe("API key text", () => {
  it("has the written format and hash", async () => {
    const made = await makeApiKey({
      tenantId: TENANT,
      keyId: KEY,
      pepper: PEPPER,
      random: countingBytes,
    });
    expect(made).toEqual({ text: TEXT, secretHash: SECRET_HASH });
  });

  it("reads the claim of a key made under the pepper", async () => {
    expect(await readApiKey(TEXT, PEPPER)).toEqual({
      tenantId: TENANT,
      keyId: KEY,
      secretHash: SECRET_HASH,
    });
  });

  it("refuses a key made under another pepper", async () => {
    expect(await readApiKey(TEXT, "pepper-two")).toBeUndefined();
  });

  it("refuses a key with any one character changed, left out or doubled", async () => {
    for (let index = 0; index < TEXT.length; index++) {
      const other = TEXT[index] === "1" ? "2" : "1";
      const [before, after] = [TEXT.slice(0, index), TEXT.slice(index + 1)];
      expect(await readApiKey(before + other + after, PEPPER)).toBeUndefined();
      expect(await readApiKey(before + after, PEPPER)).toBeUndefined();
      expect(await readApiKey(before + other + TEXT.slice(index), PEPPER)).toBeUndefined();
    }
  });

  it.each(["", "fl1_", "sk-abc", TEXT.toUpperCase(), `${TEXT}\n`, ` ${TEXT}`, "_".repeat(4_096)])(
    "refuses the malformed text %#",
    async (text) => {
      expect(await readApiKey(text, PEPPER)).toBeUndefined();
    },
  );

  it("will not make or read keys under an empty pepper", async () => {
    const options = { tenantId: TENANT, keyId: KEY, pepper: "", random: countingBytes };
    await expect(makeApiKey(options)).rejects.toThrow("the key pepper is empty");
    await expect(readApiKey(TEXT, "")).rejects.toThrow("the key pepper is empty");
  });

  it("will not make a key for ids of another kind", async () => {
    const options = { tenantId: KEY, keyId: TENANT, pepper: PEPPER, random: countingBytes };
    await expect(makeApiKey(options)).rejects.toThrow("a secret needs ids of ten_ and key_");
  });
});
