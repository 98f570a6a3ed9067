// The part of the conformance suite about masks: which tokens a row may sample.
import { expect, it } from "vitest";
import { promptOf, STATUS, WARM, withEngine, type EngineUnderTest } from "./engine-under-test.ts";
import { StepDriver, type RowSpec, type SamplingSpec } from "./step-driver.ts";

export function describeMasks(subject: EngineUnderTest): void {
  const prompts = [promptOf(20, 1), promptOf(33, 2)] as const;
  const rows = (maskSlot?: number): RowSpec[] => [
    { slot: 0, tokens: prompts[0], ...(maskSlot === undefined ? {} : { maskSlot }) },
    { slot: 1, tokens: prompts[1] },
  ];
  const allowOnly = (mask: Int32Array, tokens: readonly number[]): void => {
    mask.fill(0);
    for (const token of tokens) mask[token >> 5] = (mask[token >> 5] ?? 0) | (1 << (token & 31));
  };

  it("samples only what a row's mask allows, and leaves other rows alone", async () => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      const run = async (sampling: SamplingSpec | undefined, maskSlot?: number) => {
        driver.start(0, sampling);
        driver.start(1, WARM);
        const { status, samples } = await driver.step(rows(maskSlot));
        expect(status).toBe(STATUS.ok);
        return samples;
      };
      const free = await run(WARM);
      allowOnly(engine.maskAt(7), [31, 32, 210]);
      for (const sampling of [undefined, WARM, { ...WARM, topK: 1 }]) {
        const masked = await run(sampling, 7);
        expect([31, 32, 210]).toContain(masked.get(0)?.token);
        expect(masked.get(1)).toEqual(free.get(1));
      }
      // All tokens allowed is no mask at all.
      engine.maskAt(3).fill(-1);
      expect((await run(WARM, 3)).get(0)).toEqual(free.get(0));
    });
  });

  it("gives no token for a mask that allows none, and goes on", async () => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      driver.start(0);
      driver.start(1);
      engine.maskAt(2).fill(0);
      const first = await driver.step(rows(2));
      expect([first.status, [...first.samples.keys()]]).toEqual([STATUS.ok, [1]]);
      const second = await driver.step([{ slot: 1, tokens: "sampled" }]);
      expect([second.status, [...second.samples.keys()]]).toEqual([STATUS.ok, [1]]);
    });
  });

  it("refuses a row whose mask slot does not exist", async () => {
    await withEngine(subject, async (engine) => {
      for (const maskSlot of [8, -2]) {
        const driver = new StepDriver(engine);
        driver.start(0);
        driver.start(1);
        const { status, badRow } = await driver.step(rows(maskSlot));
        expect([status, badRow]).toEqual([STATUS.badRow, 0]);
      }
      expect(() => engine.maskAt(8)).toThrow("mask slot 8");
    });
  });
}
