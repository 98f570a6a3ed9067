// The expected hash was computed outside this code base, from the written format with Python's hashlib.
import { describe, expect, it } from "vitest";
import { adminTokenHash, isAdminToken, makeAdminToken } from "./admin-token.ts";

const TOKEN = "fla1_0001081g81860w40j2gb1g6gw3rg2491650n2rbhg68t3ce1t7gz";
const HASH = "fa162d54d6bae01c3a35894f6f7a84a1122631b79dc6fd40345d4307f8f5a7a0";

describe("admin token", () => {
  it("has the written format and hash", async () => {
    const random = { fill: (target: Uint8Array<ArrayBuffer>) => target.map((_, index) => index) };
    expect(makeAdminToken(random)).toBe(TOKEN);
    expect(await adminTokenHash(TOKEN)).toBe(HASH);
  });

  it("is recognised by its hash, and nothing else is", async () => {
    expect(await isAdminToken(TOKEN, HASH)).toBe(true);
    expect(await isAdminToken(`${TOKEN}0`, HASH)).toBe(false);
    expect(await isAdminToken("", HASH)).toBe(false);
    expect(await isAdminToken(TOKEN, "")).toBe(false);
    expect(await isAdminToken(HASH, HASH)).toBe(false);
  });
});
