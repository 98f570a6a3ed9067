// The part of the conformance suite on moving pages out of and into an engine: what a request computed can be taken out,
// put into other pages while others compute, and goes on to the bit.
import { expect, it } from "vitest";
import type { Engine } from "../../gpu-node/src/engine/engine.ts";
import type { EngineUnderTest } from "./engine-under-test.ts";
import { StepDriver } from "./step-driver.ts";

type WithEngine = (
  subject: EngineUnderTest,
  run: (engine: Engine) => Promise<void>,
) => Promise<void>;

const WARM = { temperature: 0.9, topP: 0.95, topK: 50, seed: 11 };

export function describePageMoves(subject: EngineUnderTest, withEngine: WithEngine): void {
  const prompt = Array.from({ length: 75 }, (_, index) => (index * index * 5 + 3) % 211);

  // 64 fills pages, 75 and 79 leave one part-filled.
  it.each([64, 75, 79])("goes on to the bit from %i moved positions", async (count) => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      driver.start(0, WARM);
      const whole = await driver.generate(0, prompt, { count: 20, chunk: 75 });
      const context = [...prompt, ...whole.map(({ token }) => token)];
      driver.start(1, WARM);
      await driver.generate(1, prompt, { count: 6, chunk: 75 });
      driver.start(3);
      await driver.step([{ slot: 3, tokens: prompt.slice(0, 20) }]);

      // Another request computes meanwhile.
      driver.submit([{ slot: 3, tokens: "sampled" }]);
      driver.move(2, 1, count);
      await driver.wait();

      const { samples } = await driver.step([{ slot: 2, tokens: context.slice(count, 80) }]);
      const moved = [samples.get(2)];
      while (moved.length < 15) {
        moved.push((await driver.step([{ slot: 2, tokens: "sampled" }])).samples.get(2));
      }
      expect(moved).toEqual(whole.slice(5));
    });
  });

  it("gives out what it took in", async () => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      driver.start(0);
      await driver.generate(0, prompt, { count: 1, chunk: 75 });
      const first = driver.move(1, 0, 75);
      await driver.step([{ slot: 1, tokens: [1] }]);
      const second = driver.move(2, 1, 64);
      expect(first.some((byte) => byte !== 0)).toBe(true);
      expect(second).toEqual(first.subarray(0, 4 * engine.canonicalPageBytes(0)));
    });
  });

  it("refuses pages that do not exist, and bytes that are not theirs", async () => {
    await withEngine(subject, (engine) => {
      const canonical = new Uint8Array(engine.canonicalPageBytes(0));
      const { pageCount } = engine.info;
      for (const page of [-1, pageCount]) {
        const move = { kvGroup: 0, pages: Int32Array.of(page), canonical };
        expect(() => engine.exportPages(move)).toThrow("does not exist");
        expect(() => engine.importPages(move)).toThrow("does not exist");
      }
      const two = { kvGroup: 0, pages: Int32Array.of(0, 1), canonical };
      expect(() => engine.exportPages(two)).toThrow();
      expect(() => engine.importPages(two)).toThrow();
      return Promise.resolve();
    });
  });
}
