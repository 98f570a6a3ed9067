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

  it.each([
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
