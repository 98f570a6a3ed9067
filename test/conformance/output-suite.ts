// The part of the conformance suite about what is sampled: that neither chunks, pages, batch, steps in flight nor forks
// change it, that seeds repeat it, and that nothing is said where nothing was asked.
import { expect, it } from "vitest";
import {
  promptOf,
  STATUS,
  tokensOf,
  WARM,
  withEngine,
  type EngineUnderTest,
} from "./engine-under-test.ts";
import { StepDriver, type RowSpec } from "./step-driver.ts";

export function describeDeterminism(subject: EngineUnderTest): void {
  const prompt = promptOf(75, 1);

  it("computes the same greedy tokens whatever the chunks of the prompt", async () => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      const runs: number[][] = [];
      for (const chunk of [75, 1, 5, 16, 33]) {
        driver.start(0);
        runs.push(tokensOf(await driver.generate(0, prompt, { count: 20, chunk })));
      }
      for (const run of runs) expect(run).toEqual(runs[0]);
    });
  });

  it("computes the same tokens whatever the pages", async () => {
    await withEngine(subject, async (engine) => {
      const ascending = new StepDriver(engine);
      ascending.start(0, WARM);
      const expected = await ascending.generate(0, prompt, { count: 20, chunk: 75 });
      const shuffled = Array.from({ length: 320 }, (_, index) => (index * 77 + 13) % 320);
      const other = new StepDriver(engine, shuffled);
      other.start(0, WARM);
      expect(await other.generate(0, prompt, { count: 20, chunk: 75 })).toEqual(expected);
    });
  });

  it("computes for each row of a batch what it computes alone", async () => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      const slots = [5, 0, 3, 2];
      const samplingOf = (slot: number) =>
        slot === 3 ? { temperature: 0 } : { ...WARM, seed: slot };
      const lengthOf = (slot: number) => 20 + slot * 9;
      for (const slot of slots) driver.start(slot, samplingOf(slot));
      const together = new Map<number, number[]>(slots.map((slot) => [slot, []]));
      for (let step = 0; step < 12; step++) {
        // Slot s joins at step s, so steps mix prompts and decodes.
        const rows = slots
          .filter((slot) => slot <= step)
          .map((slot): RowSpec => {
            const tokens = slot === step ? promptOf(lengthOf(slot), slot) : "sampled";
            return { slot, tokens };
          });
        const { samples } = await driver.step(rows);
        for (const [slot, { token }] of samples) together.get(slot)?.push(token);
      }
      for (const slot of slots) {
        driver.start(slot, samplingOf(slot));
        const alone = await driver.generate(slot, promptOf(lengthOf(slot), slot), {
          count: 12 - slot,
          chunk: 99,
        });
        expect(together.get(slot)).toEqual(tokensOf(alone));
      }
    });
  });

  it("runs two steps in flight as if one after the other", async () => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      driver.start(0);
      const expected = tokensOf(await driver.generate(0, prompt, { count: 9, chunk: 75 }));
      driver.start(0);
      driver.submit([{ slot: 0, tokens: prompt }]);
      const got: (number | undefined)[] = [];
      for (let index = 0; index < 8; index++) {
        driver.submit([{ slot: 0, tokens: "sampled" }]);
        got.push((await driver.wait()).samples.get(0)?.token);
      }
      got.push((await driver.wait()).samples.get(0)?.token);
      expect(got).toEqual(expected);
    });
  });
}

export function describeSampling(subject: EngineUnderTest): void {
  const prompt = promptOf(12, 4);

  it("repeats with the seed and differs without", async () => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      const run = async (seed: number) => {
        driver.start(0, { temperature: 1.5, seed });
        return tokensOf(await driver.generate(0, prompt, { count: 24, chunk: 12 }));
      };
      const first = await run(1);
      expect(await run(1)).toEqual(first);
      expect(await run(2)).not.toEqual(first);
    });
  });

  it("gives no token and no log-probability where none is asked for", async () => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      driver.start(0);
      driver.start(1);
      const { samples } = await driver.step([
        { slot: 0, tokens: prompt, isSampled: false },
        { slot: 1, tokens: prompt },
      ]);
      expect([...samples.keys()]).toEqual([1]);
      const logprob = samples.get(1)?.logprob ?? 1;
      expect(logprob).toBeLessThan(0);
      expect(logprob).toBeGreaterThan(-Math.log(engine.info.vocabSize));
    });
  });
}

export function describeCopies(subject: EngineUnderTest): void {
  const prompt = promptOf(40, 3);

  // 38 fills half of a page, 32 none; from both the fork goes on as the whole prompt does.
  it.each([38, 33, 32])(
    "lets a fork of %i positions go on as if all was its own",
    async (count) => {
      await withEngine(subject, async (engine) => {
        const driver = new StepDriver(engine);
        driver.start(0);
        const expected = tokensOf(await driver.generate(0, prompt, { count: 9, chunk: 40 }));
        driver.start(1);
        const own = [(await driver.step([{ slot: 1, tokens: prompt }])).samples.get(1)?.token];
        // The one that it is forked from goes on in the same step, and writes to the page that is copied.
        driver.fork(2, 1, count);
        const fork: (number | undefined)[] = [];
        let next: RowSpec = { slot: 2, tokens: prompt.slice(count) };
        for (let index = 0; index < 8; index++) {
          const { samples, status } = await driver.step([{ slot: 1, tokens: "sampled" }, next]);
          expect(status).toBe(STATUS.ok);
          own.push(samples.get(1)?.token);
          fork.push(samples.get(2)?.token);
          next = { slot: 2, tokens: "sampled" };
        }
        expect(own).toEqual(expected);
        expect(fork).toEqual(expected.slice(0, 8));
      });
    },
  );
}
