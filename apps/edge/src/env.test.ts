import { describe, expect, it } from "vitest";
import { readEnv } from "./env.ts";

const good = {
  REGION: "eu-west",
  HUB_SHARD_COUNT: "2",
  KEY_PEPPER: "a pepper of some length",
  ADMIN_TOKEN_HASH: "0123456789abcdef".repeat(4),
  TENANT_ACCOUNT: {},
  REGION_HUB: {},
  BATCH_RUN: {},
  HUB_JOBS: {},
  CONTROL_DB: {},
  LEDGER_DB: {},
  ARTIFACTS: {},
  RETAINED: {},
};

describe("readEnv", () => {
  it("reads a complete environment", () => {
    expect(readEnv(good)).toMatchObject({ region: "eu-west", hubShardCount: 2 });
  });

  it("places every object in the jurisdiction, near the edge's region", () => {
    const asked: string[] = [];
    const inside = {
      getByName: (name: string, options?: { readonly locationHint?: string }) =>
        asked.push(`${name} ${options?.locationHint ?? "-"}`),
    };
    const namespace = { jurisdiction: (wanted: string) => (asked.push(wanted), inside) };
    const objects = { TENANT_ACCOUNT: namespace, REGION_HUB: namespace, BATCH_RUN: namespace };
    const config = readEnv({ ...good, ...objects, JURISDICTION: "eu" });
    config.accounts.getByName("ten_a");
    const hints = { JURISDICTION: "eu", LOCATION_HINTS: "us=enam,eu-west=weur" };
    const near = readEnv({ ...good, ...objects, ...hints });
    near.hubs.getByName("eu-west:0");
    near.batches.getByName("batch_a");
    const eu = ["eu", "eu", "eu"];
    expect(() => readEnv({ ...good, LOCATION_HINTS: "eu=mars" })).toThrow("LOCATION_HINTS");
    expect(asked).toEqual([...eu, "ten_a -", ...eu, "eu-west:0 weur", "batch_a weur"]);
  });

  it.each([
    ["JURISDICTION", "mars"],
    ["REGION", "Local Zone"],
    ["HUB_SHARD_COUNT", "0"],
    ["HUB_SHARD_COUNT", "65"],
    ["HUB_SHARD_COUNT", "two"],
    ["KEY_PEPPER", "short-secret"],
    ["KEY_PEPPER", undefined],
    ["ADMIN_TOKEN_HASH", "fla1_the-token-itself"],
    ["TENANT_ACCOUNT", undefined],
    ["REGION_HUB", null],
    ["HUB_JOBS", undefined],
    ["CONTROL_DB", undefined],
    ["LEDGER_DB", "a string"],
    ["ARTIFACTS", undefined],
    ["RETAINED", undefined],
  ])("names %s when it is %j, and not its value", (name, value) => {
    const read = () => readEnv({ ...good, [name]: value });
    expect(read).toThrow(`The edge is misconfigured: ${name}: `);
    expect(read).not.toThrow(/short-secret|fla1_the-token-itself|a string/);
  });
});
