import { describe, expect, it } from "vitest";
import { endOf, RevokedWork } from "./revoked-work.ts";

const NOW_MS = 1_793_491_200_000;
const key = { tenantId: "ten_a", keyId: "key_a" };

describe("work that was ended lately", () => {
  it("is not taken again for a revoked key, however late it comes", () => {
    const revoked = new RevokedWork();
    revoked.add(key, NOW_MS);
    expect(revoked.refusalOf(key, NOW_MS + 3_600_000)?.code).toBe("invalid_api_key");
    expect(revoked.refusalOf({ ...key, keyId: "key_b" }, NOW_MS)).toBeUndefined();
    expect(revoked.refusalOf({ ...key, tenantId: "ten_b" }, NOW_MS)).toBeUndefined();
  });

  it("is not taken for any key of a suspended tenant, for a moment: it may come back", () => {
    const revoked = new RevokedWork();
    revoked.add({ tenantId: "ten_a", keyId: null }, NOW_MS);
    expect(revoked.refusalOf(key, NOW_MS + 4_999)?.code).toBe("tenant_suspended");
    expect(revoked.refusalOf(key, NOW_MS + 5_000)).toBeUndefined();
    expect(revoked.refusalOf({ ...key, tenantId: "ten_b" }, NOW_MS)).toBeUndefined();
  });

  it("is forgotten from the oldest on beyond the bound", () => {
    const revoked = new RevokedWork();
    for (let index = 0; index <= 1_024; index++) {
      revoked.add({ tenantId: "ten_a", keyId: `key_${index}` }, NOW_MS);
      revoked.add({ tenantId: `ten_${index}`, keyId: null }, NOW_MS);
    }
    const codeOf = (tenantId: string, keyId: string) =>
      revoked.refusalOf({ tenantId, keyId }, NOW_MS)?.code;
    expect([codeOf("ten_a", "key_0"), codeOf("ten_a", "key_1")]).toEqual([
      undefined,
      "invalid_api_key",
    ]);
    expect([codeOf("ten_0", "key"), codeOf("ten_1", "key")]).toEqual([
      undefined,
      "tenant_suspended",
    ]);
  });

  it("ends with what its owner needs to know", () => {
    expect(endOf(key).code).toBe("invalid_api_key");
    expect(endOf({ tenantId: "ten_a", keyId: null }).code).toBe("tenant_suspended");
  });
});
