import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { hubConfig, regionOf, shardName } from "./env.ts";

describe("regions", () => {
  it("are the one of the configuration, or all that REGIONS names", () => {
    expect(hubConfig({ ...env }).regions).toEqual(["local"]);
    expect(hubConfig({ ...env, REGIONS: "eu,us-1" }).regions).toEqual(["eu", "us-1"]);
    expect(() => hubConfig({ ...env, REGIONS: "eu,,us" })).toThrow("check REGIONS");
  });

  it("are read from an object's name", () => {
    const config = hubConfig({ ...env, REGIONS: "local,eu" });
    expect(regionOf(config, shardName("eu", 3))).toBe("eu");
    expect(regionOf(config, "eu")).toBe("eu");
    expect(regionOf(config, "moon:0")).toBe("local");
    expect(regionOf(config, undefined)).toBe("local");
  });
});
