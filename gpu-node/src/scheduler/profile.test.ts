// Measures steps of the tiny model on the native engine: what a measured step is, not how fast it is.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../engine/engine.ts";
import { openNativeEngine } from "../engine/native-engine.ts";
import { openModelOnDisk } from "../fleet/model-on-disk.ts";
import { readStepProfile, writeStepProfile } from "../fleet/step-profile.ts";
import { HAS_NATIVE_CORE, TINY_MODEL } from "../testing/tiny-node.ts";
import { calibrateStepCost, profileSteps } from "./profile.ts";
import { stepCapacityFor } from "./scheduler-parts.ts";
import { FIT_SAMPLES_MIN, type StepCostModel } from "./step-cost-model.ts";
import { StepProbe } from "./step-probe.ts";
import { stepTargetOf } from "./step-target.ts";

const MODEL: StepCostModel = {
  floorUs: 1_000,
  baseUs: 0,
  tokenUs: 100,
  kneeTokens: 0,
  kneeUs: 0,
  decodeUs: 0,
  contextUs: 0,
  pairUs: 0,
};
const clock = { nowMs: () => Date.now() };
const folder = mkdtempSync(join(tmpdir(), "fairlane-profile-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!HAS_NATIVE_CORE)("profile of a native engine", () => {
  let engine: Engine;
  beforeAll(async () => {
    const { manifestPath } = await openModelOnDisk(TINY_MODEL, folder);
    engine = openNativeEngine({
      manifestPath,
      isa: "generic",
      numerics: "f32",
      pageCount: 256,
      slotCount: 16,
      threadCount: 1,
      capacity: stepCapacityFor({ slotCount: 16, stepBudgetTokens: 128 }),
    });
  });
  afterAll(() => engine.close());

  it("runs a step over a context that was never computed, and says its shape", async () => {
    const probe = new StepProbe(engine);
    const point = { decodes: 4, decodePosition: 96, chunkTokens: 20, chunkPosition: 64 };
    expect(probe.fits(point)).toBe(true);
    // Again over the same pages: the first step left nothing behind that the engine would refuse.
    for (let turn = 0; turn < 2; turn++) {
      expect(await probe.measure(point)).toEqual({
        tokens: 24,
        decodes: 4,
        decodeContextTokens: 388,
        chunkPairs: 1_480,
        us: expect.any(Number) as number,
      });
    }
  });

  it("leaves out what the engine has no room for", () => {
    const probe = new StepProbe(engine);
    const point = { decodes: 1, decodePosition: 16, chunkTokens: 0, chunkPosition: 0 };
    expect(probe.fits(point)).toBe(true);
    expect(probe.fits({ ...point, decodes: 17 })).toBe(false);
    expect(probe.fits({ ...point, chunkTokens: 128 })).toBe(false);
    expect(probe.fits({ ...point, decodePosition: engine.info.contextTokens })).toBe(false);
  });

  it("fits a model at the start and over the grid", async () => {
    const fit = await calibrateStepCost(engine, clock);
    expect(fit?.model.floorUs).toBeGreaterThanOrEqual(0);
    const { samples, model } = await profileSteps(engine);
    expect(samples.length).toBeGreaterThanOrEqual(FIT_SAMPLES_MIN);
    expect(model.tokenUs).toBeGreaterThan(0);
  });

  it("takes a kept profile of this engine, and refuses another one's", async () => {
    const { numericsClass, threadCount } = engine.info;
    const path = join(folder, "profile.json");
    const file = { version: 1, numericsClass, threadCount, model: MODEL, errorPct: 3, samples: [] };
    await writeStepProfile(path, { ...file, version: 1 });
    const stepProfile = await readStepProfile(path);
    const target = await stepTargetOf(engine, { tbtTargetMs: 50, stepProfile }, clock);
    expect([target?.us, target?.predictor.model]).toEqual([45_000, MODEL]);
    const other = { tbtTargetMs: 50, stepProfile: { ...stepProfile, threadCount: 3 } };
    await expect(stepTargetOf(engine, other, clock)).rejects.toThrow("on 3 threads, the engine");
  });

  it("has no target when the budget is fixed", async () => {
    expect(await stepTargetOf(engine, { tbtTargetMs: null }, clock)).toBeNull();
  });
});

describe("step profile file", () => {
  it("is refused with a sentence when it is none", async () => {
    const path = join(folder, "bad.json");
    await expect(readStepProfile(path)).rejects.toThrow("bad.json cannot be read");
    writeFileSync(path, '{"version":1}');
    await expect(readStepProfile(path)).rejects.toThrow("is no step profile");
  });
});
