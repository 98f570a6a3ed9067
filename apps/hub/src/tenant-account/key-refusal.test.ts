// What a key's own terms refuse, beside its secret and the tenant's limits.
import type { AccountKey, AdmitInput } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { admitInput, keyOf } from "../../test/usage.ts";
import { keyRefusal } from "./key-refusal.ts";

const NOW_MS = 1_793_491_200_000;

function refusalOf(key: Partial<AccountKey>, input: Partial<AdmitInput> = {}) {
  const refusal = keyRefusal(keyOf(key), admitInput("ten_a", input), NOW_MS);
  return refusal && { ...refusal };
}

describe("a key", () => {
  it("without lists may be used from anywhere for anything of its scopes", () => {
    expect(refusalOf({})).toBeUndefined();
    const wanted = { model: "any", adapter: { id: "adp_any", ownerTenantId: "ten_b" } };
    expect(refusalOf({}, { wanted, clientIp: "203.0.113.9" })).toBeUndefined();
  });

  it("ends at its expiry, not a millisecond earlier", () => {
    expect(refusalOf({ expiresAtMs: NOW_MS + 1 })).toBeUndefined();
    expect(refusalOf({ expiresAtMs: NOW_MS })?.code).toBe("api_key_expired");
  });

  it("names the scope that it lacks", () => {
    expect(refusalOf({ scopes: ["usage:read"] })).toEqual({
      code: "scope_not_allowed",
      message: "The API key lacks the scope 'inference'.",
      param: null,
    });
  });
});

describe("a list of models", () => {
  const key = { allowedModels: ["small", "large"] };

  it("lets its models pass and names any other", () => {
    expect(refusalOf(key, { wanted: { model: "small" } })).toBeUndefined();
    expect(refusalOf(key, { wanted: { model: "huge" } })).toEqual({
      code: "model_not_allowed",
      message: "The API key may not use the model 'huge'.",
      param: "model",
    });
  });

  it("refuses a request that computes and names no model", () => {
    expect(refusalOf(key)).toEqual({
      code: "model_not_allowed",
      message: "The API key may use some models only: name one in 'model'.",
      param: "model",
    });
  });

  it("is no matter of what computes nothing", () => {
    expect(refusalOf(key, { hold: null })).toBeUndefined();
    expect(refusalOf(key, { hold: null, wanted: { model: "huge" } })?.code).toBe(
      "model_not_allowed",
    );
  });
});

describe("a list of adapters", () => {
  const wanted = (id: string) => ({
    wanted: { model: "small", adapter: { id, ownerTenantId: "ten_b" } },
  });

  it("lets its adapters pass, and the base model, and names any other", () => {
    const key = { allowedAdapters: ["adp_a"] };
    expect(refusalOf(key, wanted("adp_a"))).toBeUndefined();
    expect(refusalOf(key, { wanted: { model: "small" } })).toBeUndefined();
    expect(refusalOf(key, wanted("adp_b"))).toEqual({
      code: "adapter_not_allowed",
      message: "The API key may not use the adapter 'adp_b'.",
      param: "model",
    });
  });

  it("that is empty allows none", () => {
    expect(refusalOf({ allowedAdapters: [] }, wanted("adp_a"))?.code).toBe("adapter_not_allowed");
  });
});

describe("a list of addresses", () => {
  const allowedIps = ["203.0.113.9", "10.0.0.0/8", "2001:db8::/32", "::1"];

  it.each(["203.0.113.9", "10.255.0.1", "2001:db8:1::2", "2001:0DB8::1", "::1", "::ffff:10.1.2.3"])(
    "covers %s",
    (clientIp) => {
      expect(refusalOf({ allowedIps }, { clientIp })).toBeUndefined();
    },
  );

  it.each(["203.0.113.8", "11.0.0.1", "2001:db9::1", "::2", "::ffff:11.1.2.3", "nonsense", ""])(
    "does not cover %j",
    (clientIp) => {
      expect(refusalOf({ allowedIps }, { clientIp })).toEqual({
        code: "ip_not_allowed",
        message: `The API key may not be used from ${clientIp}.`,
        param: null,
      });
    },
  );

  it("refuses a client whose address nobody knows", () => {
    expect(refusalOf({ allowedIps })?.message).toBe(
      "The API key may not be used from an unknown address.",
    );
  });

  it("that is empty allows nowhere", () => {
    expect(refusalOf({ allowedIps: [] }, { clientIp: "10.0.0.1" })?.code).toBe("ip_not_allowed");
  });
});
