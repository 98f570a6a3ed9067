// The part of the conformance suite on adapters: rows of several adapters, of one and of none share a step, and each says
// what it says alone; slots are set and cleared by the rules.
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Engine } from "../../gpu-node/src/engine/engine.ts";
import type { EngineUnderTest } from "./engine-under-test.ts";
import { randomAdapters } from "./random-adapters.ts";
import { StepDriver, type RowSpec } from "./step-driver.ts";

type WithEngine = (
  subject: EngineUnderTest,
  run: (engine: Engine) => Promise<void>,
) => Promise<void>;

// StepStatus of native/core/step_layout.h.
const BAD_ADAPTER = 9;

const ADAPTERS = [
  { rank: 3, modules: ["q", "v"], seed: 1 },
  { rank: 16, modules: ["q", "k", "v", "o", "gate", "up", "down"], seed: 2 },
  { rank: 40, modules: ["up"], seed: 3 },
  { rank: 8, modules: ["o", "down"], seed: 4 },
] as const;

/** A slot's prompt; long enough for several chunks. */
function promptOf(slot: number): number[] {
  return Array.from({ length: 21 + slot * 7 }, (_, i) => (i * i * 3 + i * 11 + 5) % 211);
}

/** Two rows of adapter 1, one of each other, two without. */
const ADAPTER_BY_SLOT = [1, -1, 0, 3, 1, 2, -1];

export function describeAdapters(subject: EngineUnderTest, withEngine: WithEngine): void {
  let adapters: Awaited<ReturnType<typeof randomAdapters>>;
  beforeAll(async () => {
    adapters = await randomAdapters(ADAPTERS);
  });
  afterAll(() => adapters[Symbol.asyncDispose]());

  /** A driver over an engine whose slot i has adapter i. */
  async function placed(engine: Engine): Promise<StepDriver> {
    const driver = new StepDriver(engine);
    for (const [slot, spec] of adapters.specs.entries()) {
      driver.placeAdapter(slot, await engine.packAdapter(spec));
    }
    return driver;
  }

  it("computes for each row of a step with several adapters what it computes alone", async () => {
    await withEngine(subject, async (engine) => {
      const driver = await placed(engine);
      const slots = [...ADAPTER_BY_SLOT.keys()];
      for (const slot of slots) driver.start(slot);
      const together = new Map<number, unknown[]>(slots.map((slot) => [slot, []]));
      for (let step = 0; step < 14; step++) {
        const rows = slots.flatMap((slot): RowSpec[] => rowsOf(slot, step));
        const { status, samples } = await driver.step(rows);
        expect(status).toBe(0);
        for (const [slot, sample] of samples) together.get(slot)?.push(sample);
      }
      const all = new Set<string>();
      for (const slot of slots) {
        driver.start(slot);
        const adapterSlot = ADAPTER_BY_SLOT[slot] ?? -1;
        const options = { count: 13 - slot, chunk: 99, adapterSlot };
        const alone = await driver.generate(slot, promptOf(slot), options);
        expect(together.get(slot)).toEqual(alone);
        driver.start(7);
        const base = await driver.generate(7, promptOf(slot), { count: 13 - slot, chunk: 99 });
        if (adapterSlot >= 0) expect(alone).not.toEqual(base);
        else expect(alone).toEqual(base);
        all.add(JSON.stringify(alone));
      }
      expect(all.size).toBe(slots.length);
    });
  });

  it("refuses a row whose adapter slot is not set, and changes nothing", async () => {
    await withEngine(subject, async (engine) => {
      const driver = await placed(engine);
      driver.start(0);
      driver.start(1);
      const rows: RowSpec[] = [
        { slot: 0, tokens: promptOf(0) },
        { slot: 1, tokens: promptOf(1), adapterSlot: 4 },
      ];
      for (const adapterSlot of [4, engine.info.adapterSlots, -2]) {
        const plan = driver.plan(rows);
        plan.row_adapter[1] = adapterSlot;
        driver.submitPlan(plan, rows);
        expect(await driver.wait()).toMatchObject({ status: BAD_ADAPTER, badRow: 1 });
        driver.start(0);
        driver.start(1);
      }
      engine.clearAdapter(3);
      const cleared = await driver.step([{ slot: 0, tokens: [1], adapterSlot: 3 }]);
      expect(cleared.status).toBe(BAD_ADAPTER);
    });
  });

  it("sets a slot once, and keeps it while a submitted step names it", async () => {
    await withEngine(subject, async (engine) => {
      const driver = await placed(engine);
      const [spec] = adapters.specs;
      const packed = await engine.packAdapter(spec ?? []);
      expect(() => driver.placeAdapter(2, packed)).toThrow("set");
      expect(() => driver.placeAdapter(engine.info.adapterSlots, packed)).toThrow("slot");
      const missing = Int32Array.from({ length: packed.pageCount }, () => engine.info.pageCount);
      const { table } = packed;
      expect(() => engine.setAdapter({ adapterSlot: 5, table, pages: missing })).toThrow("sound");
      const cut = table.subarray(0, table.length - 1);
      const pages = Int32Array.from({ length: packed.pageCount }, (_, page) => 300 + page);
      expect(() => engine.setAdapter({ adapterSlot: 5, table: cut, pages })).toThrow("sound");

      driver.start(0);
      driver.submit([{ slot: 0, tokens: promptOf(0), adapterSlot: 2 }]);
      driver.submit([{ slot: 0, tokens: "sampled", adapterSlot: 2 }]);
      expect(() => engine.clearAdapter(2)).toThrow("submitted step");
      await driver.wait();
      await driver.wait();
      engine.clearAdapter(2);
      driver.placeAdapter(2, packed);
    });
  });

  it("packs the same adapter to the same bytes, and refuses what is none", async () => {
    await withEngine(subject, async (engine) => {
      const [, spec = []] = adapters.specs;
      const first = await engine.packAdapter(spec);
      expect(first.images.length).toBe(first.pageCount * engine.info.pageBytes);
      expect(await engine.packAdapter(spec.toReversed())).toEqual(first);
      const [module] = spec;
      if (module === undefined) throw new Error("no module");
      const refused = (changed: object) => engine.packAdapter([{ ...module, ...changed }]);
      await expect(engine.packAdapter([])).rejects.toMatchObject({ code: "bad_module" });
      await expect(engine.packAdapter([module, module])).rejects.toMatchObject({
        code: "bad_module",
      });
      await expect(refused({ rank: 0 })).rejects.toMatchObject({ code: "bad_rank" });
      await expect(refused({ rank: 257 })).rejects.toMatchObject({ code: "bad_rank" });
      await expect(refused({ rank: 8 })).rejects.toMatchObject({ code: "wrong_shape" });
      await expect(refused({ scaling: NaN })).rejects.toMatchObject({ code: "bad_scaling" });
    });
  });
}

/** What slot `slot` has in a step: it joins at the step of its number, with a prompt of two chunks. */
function rowsOf(slot: number, step: number): RowSpec[] {
  const prompt = promptOf(slot);
  const adapterSlot = ADAPTER_BY_SLOT[slot] ?? -1;
  if (step < slot) return [];
  if (step === slot) {
    return [{ slot, tokens: prompt.slice(0, 17), isSampled: false, adapterSlot }];
  }
  if (step === slot + 1) return [{ slot, tokens: prompt.slice(17), adapterSlot }];
  return [{ slot, tokens: "sampled", adapterSlot }];
}
