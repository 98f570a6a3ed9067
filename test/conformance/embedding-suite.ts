// The part of the conformance suite about embeddings: what every engine promises of the hidden states that it pools.
import { expect, it } from "vitest";
import type { Engine } from "../../gpu-node/src/engine/engine.ts";
import { POOLING } from "../../gpu-node/src/engine/slot-embeddings.ts";
import { StepDriver } from "./step-driver.ts";

type WithEngine = <T>(run: (engine: Engine) => Promise<T>) => Promise<T>;

const MODES = [
  ["last", POOLING.last],
  ["mean", POOLING.mean],
] as const;

function promptOf(length: number, seed: number): number[] {
  return Array.from({ length }, (_, index) => (index * 31 + seed * 53) % 211);
}

/** The embedding of a prompt that is computed in chunks, alone. */
async function embed(
  driver: StepDriver,
  prompt: readonly number[],
  { pooling, chunk }: { readonly pooling: number; readonly chunk: number },
): Promise<number[]> {
  driver.start(0, { temperature: 0, pooling });
  for (let done = 0; done < prompt.length; done += chunk) {
    const tokens = prompt.slice(done, done + chunk);
    expect((await driver.step([{ slot: 0, tokens, isSampled: false }])).status).toBe(0);
  }
  return [...driver.engine.embeddingAt(0)];
}

/** Registers the tests for one engine. */
export function describeEmbeddings(withEngine: WithEngine): void {
  it.each(MODES)(
    "gives the same bits of a %s whatever the chunks, of unit length",
    async (_, pooling) => {
      await withEngine(async (engine) => {
        const driver = new StepDriver(engine);
        const whole = await embed(driver, promptOf(70, 1), { pooling, chunk: 70 });
        expect(whole).toHaveLength(engine.info.hiddenSize);
        expect(whole.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 5);
        for (const chunk of [1, 7, 16, 33]) {
          expect(await embed(driver, promptOf(70, 1), { pooling, chunk })).toEqual(whole);
        }
        const other = await embed(driver, promptOf(70, 2), { pooling, chunk: 70 });
        expect(other).not.toEqual(whole);
      });
    },
  );

  it("tells the mean from the last, which are the same of one token", async () => {
    await withEngine(async (engine) => {
      const driver = new StepDriver(engine);
      const of = (length: number, pooling: number) =>
        embed(driver, promptOf(length, 3), { pooling, chunk: 99 });
      expect(await of(9, POOLING.mean)).not.toEqual(await of(9, POOLING.last));
      expect(await of(1, POOLING.mean)).toEqual(await of(1, POOLING.last));
    });
  });

  it("pools rows of a batch as if each was alone, beside rows that are sampled", async () => {
    await withEngine(async (engine) => {
      const driver = new StepDriver(engine);
      const alone = await embed(driver, promptOf(40, 4), { pooling: POOLING.mean, chunk: 40 });
      driver.start(0);
      driver.start(1, { temperature: 0, pooling: POOLING.mean });
      driver.start(2, { temperature: 0, pooling: POOLING.last });
      const { samples } = await driver.step([
        { slot: 0, tokens: promptOf(5, 5) },
        { slot: 1, tokens: promptOf(40, 4).slice(0, 20), isSampled: false },
        { slot: 2, tokens: promptOf(12, 6), isSampled: false },
      ]);
      expect([...samples.keys()]).toEqual([0]);
      await driver.step([
        { slot: 0, tokens: "sampled" },
        { slot: 1, tokens: promptOf(40, 4).slice(20), isSampled: false },
      ]);
      expect([...engine.embeddingAt(1)]).toEqual(alone);
      const last = await embed(driver, promptOf(12, 6), { pooling: POOLING.last, chunk: 12 });
      expect([...engine.embeddingAt(2)]).toEqual(last);
    });
  });
}
