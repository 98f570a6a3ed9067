import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { hubConfig, regionOf, shardName, type HubEnv } from "./env.ts";
import { objectsOf } from "./objects.ts";

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

describe("the places of objects", () => {
  /** A binding that says what it was asked. */
  function namespace(asked: string[], jurisdiction = "anywhere"): unknown {
    return {
      getByName: (name: string, options?: { locationHint?: string }) =>
        asked.push(`${jurisdiction} ${name} ${options?.locationHint ?? "-"}`),
      jurisdiction: (wanted: string) => namespace(asked, wanted),
    };
  }

  function asked(vars: Partial<HubEnv>): readonly string[] {
    const all: string[] = [];
    const named = namespace(all);
    const bindings = { TENANT_ACCOUNT: named, REGION_HUB: named, USAGE_INTAKE: named };
    const objects = objectsOf({ ...env, ...bindings, BATCH_RUN: named, ...vars } as HubEnv);
    objects.account("ten_a");
    objects.shard("eu", 1);
    objects.shard("us", 0);
    objects.intake("eu");
    objects.batch("batch_a");
    return all;
  }

  it("are anywhere unless the configuration names a jurisdiction and hints", () => {
    expect(asked({})).toEqual([
      "anywhere ten_a -",
      "anywhere eu:1 -",
      "anywhere us:0 -",
      "anywhere eu -",
      "anywhere batch_a -",
    ]);
    expect(asked({ JURISDICTION: "eu", LOCATION_HINTS: "eu=weur,us=enam" })).toEqual([
      "eu ten_a -",
      "eu eu:1 weur",
      "eu us:0 enam",
      "eu eu weur",
      "eu batch_a -",
    ]);
  });

  it("are refused where they are none, or cannot be held", () => {
    expect(() => objectsOf({ ...env, JURISDICTION: "mars" })).toThrow("check JURISDICTION");
    for (const hints of ["", "eu", "eu=mars", "Europe=weur"]) {
      expect(() => hubConfig({ ...env, LOCATION_HINTS: hints })).toThrow("check LOCATION_HINTS");
    }
    // A runtime of one machine has no jurisdictions, and says so.
    expect(() => objectsOf({ ...env, JURISDICTION: "eu" })).toThrow("not implemented in workerd");
    expect(objectsOf({ ...env, LOCATION_HINTS: "local=weur" }).intake("local")).toBeDefined();
  });
});
