// The conformance suite of the Engine interface: what every implementation promises to the scheduler, whatever it
// computes with. Run it with a factory per implementation (engine-backends.test.ts).
import { describe, expect, it } from "vitest";
import type { Engine } from "../../gpu-node/src/engine/engine.ts";
import { PLAN_HEADER, RESULT_HEADER } from "../../gpu-node/src/engine/step-layout.ts";
import { describePageMoves } from "./page-moves.ts";
import { describeAdapters } from "./adapter-suite.ts";
import { describeEmbeddings } from "./embedding-suite.ts";
import { StepDriver, type RowSpec, type SamplingSpec } from "./step-driver.ts";

export interface EngineUnderTest {
  readonly name: string;
  /** Opens a fresh engine with at least 8 slots, 320 pages and steps of 4096 tokens. */
  readonly open: () => Engine | Promise<Engine>;
}

// StepStatus of native/core/step_layout.h.
const OK = 0;
const BAD_VERSION = 1;
const BAD_COUNT = 2;
const BAD_SLOT = 3;
const BAD_PAGE = 4;
const BAD_ROW = 5;
const BAD_TOKEN = 6;
const UNMAPPED = 7;
const BAD_SAMPLING = 8;

const WARM: SamplingSpec = { temperature: 0.9, topP: 0.95, topK: 50, seed: 7 };

/** Tokens that differ by seed and lie below any vocabulary of the tests. */
function promptOf(length: number, seed: number): number[] {
  return Array.from({ length }, (_, index) => (index * index * 7 + index * 31 + seed * 53) % 211);
}

/** Opens an engine for the length of one test. */
async function withEngine<T>(
  subject: EngineUnderTest,
  run: (engine: Engine) => Promise<T>,
): Promise<T> {
  const engine = await subject.open();
  try {
    return await run(engine);
  } finally {
    await engine.close();
  }
}

function tokensOf(samples: readonly { readonly token: number }[]): number[] {
  return samples.map(({ token }) => token);
}

function describeDeterminism(subject: EngineUnderTest): void {
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

function describeSampling(subject: EngineUnderTest): void {
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

function describeCopies(subject: EngineUnderTest): void {
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
          expect(status).toBe(OK);
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

type Break = (plan: ReturnType<Engine["acquirePlan"]>) => void;

function setCopies(
  plan: ReturnType<Engine["acquirePlan"]>,
  ...copies: readonly (readonly [from: number, to: number])[]
): void {
  plan.header[PLAN_HEADER.pageCopies] = copies.length;
  copies.forEach(([from, to], index) => {
    plan.copy_src_page[index] = from;
    plan.copy_dst_page[index] = to;
  });
}

const BAD_PLANS: readonly (readonly [what: string, status: number, badRow: number, edit: Break])[] =
  [
    ["another layout version", BAD_VERSION, -1, (p) => (p.header[PLAN_HEADER.version] = 99)],
    ["more rows than fit", BAD_COUNT, -1, (p) => (p.header[PLAN_HEADER.rows] = 1_000_000)],
    ["a negative count of tokens", BAD_COUNT, -1, (p) => (p.header[PLAN_HEADER.tokens] = -1)],
    ["a slot that does not exist", BAD_SLOT, 1, (p) => (p.row_slot[1] = 8)],
    ["a page that does not exist", BAD_PAGE, 0, (p) => (p.page_id[0] = 320)],
    ["a page-table entry past the end", BAD_PAGE, 0, (p) => (p.page_entry[0] = 3)],
    ["a KV group that does not exist", BAD_PAGE, 0, (p) => (p.page_kv_group[0] = 1)],
    ["one page written by two rows", BAD_PAGE, 1, (p) => (p.page_id[1] = p.page_id[0] ?? 0)],
    ["the same slot twice", BAD_ROW, 1, (p) => (p.row_slot[1] = p.row_slot[0] ?? 0)],
    ["no tokens", BAD_ROW, 0, (p) => (p.row_n_tokens[0] = 0)],
    ["tokens past the end", BAD_ROW, 1, (p) => (p.row_token_offset[1] = 7)],
    ["a position past the context", BAD_ROW, 0, (p) => (p.row_first_pos[0] = 1 << 30)],
    [
      "the sample of a slot without one",
      BAD_ROW,
      1,
      (p) => p.row_token_offset.fill(-1, 1, 2) && p.row_n_tokens.fill(1, 1, 2),
    ],
    ["a token outside the vocabulary", BAD_TOKEN, 1, (p) => (p.token[5] = 1_000_000)],
    ["a negative token", BAD_TOKEN, 0, (p) => (p.token[0] = -1)],
    ["a position without a page", UNMAPPED, 0, (p) => (p.row_first_pos[0] = 14)],
    ["a hole before the row", UNMAPPED, 1, (p) => (p.row_first_pos[1] = 2)],
    ["a temperature that is no number", BAD_SAMPLING, 1, (p) => (p.sampling_temperature[1] = NaN)],
    [
      "more page copies than fit",
      BAD_COUNT,
      -1,
      (p) => (p.header[PLAN_HEADER.pageCopies] = 1_000_000),
    ],
    ["a copy to a page that does not exist", BAD_PAGE, 0, (p) => setCopies(p, [1, 320])],
    ["a copy of a page that does not exist", BAD_PAGE, 1, (p) => setCopies(p, [1, 2], [-1, 3])],
    ["two copies to one page", BAD_PAGE, 1, (p) => setCopies(p, [300, 302], [301, 302])],
    ["a copy to a page that is copied", BAD_PAGE, 0, (p) => setCopies(p, [300, 301], [301, 302])],
    ["an unknown pooling", BAD_SAMPLING, 1, (p) => (p.sampling_pooling[1] = 3)],
    ["top_p 0", BAD_SAMPLING, 0, (p) => (p.sampling_top_p[0] = 0)],
  ];

function describeRefusals(subject: EngineUnderTest): void {
  const rows: RowSpec[] = [
    { slot: 1, tokens: promptOf(4, 2) },
    { slot: 2, tokens: promptOf(4, 3) },
  ];

  it.each(BAD_PLANS)("refuses a plan with %s and goes on", async (_what, status, badRow, edit) => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(
        engine,
        Array.from({ length: 320 }, (_, index) => 319 - index),
      );
      const undisturbed = new StepDriver(engine);
      undisturbed.start(0, WARM);
      const expected = await undisturbed.generate(0, promptOf(20, 6), { count: 5, chunk: 20 });

      undisturbed.start(0, WARM);
      undisturbed.submit([{ slot: 0, tokens: promptOf(20, 6) }]);
      const samples = [(await undisturbed.wait()).samples.get(0)];
      driver.start(1);
      driver.start(2);
      const plan = driver.plan(rows);
      edit(plan);
      driver.submitPlan(plan, rows);
      const refused = await driver.wait();
      expect([refused.status, refused.badRow, refused.samples.size]).toEqual([status, badRow, 0]);
      while (samples.length < 5) {
        const outcome = await undisturbed.step([{ slot: 0, tokens: "sampled" }]);
        expect(outcome.status).toBe(OK);
        samples.push(outcome.samples.get(0));
      }
      expect(samples).toEqual(expected);
    });
  });
}

function describeMasks(subject: EngineUnderTest): void {
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
        expect(status).toBe(OK);
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
      expect([first.status, [...first.samples.keys()]]).toEqual([OK, [1]]);
      const second = await driver.step([{ slot: 1, tokens: "sampled" }]);
      expect([second.status, [...second.samples.keys()]]).toEqual([OK, [1]]);
    });
  });

  it("refuses a row whose mask slot does not exist", async () => {
    await withEngine(subject, async (engine) => {
      for (const maskSlot of [8, -2]) {
        const driver = new StepDriver(engine);
        driver.start(0);
        driver.start(1);
        const { status, badRow } = await driver.step(rows(maskSlot));
        expect([status, badRow]).toEqual([BAD_ROW, 0]);
      }
      expect(() => engine.maskAt(8)).toThrow("mask slot 8");
    });
  });
}

function describeBuffers(subject: EngineUnderTest): void {
  const rows: RowSpec[] = [{ slot: 0, tokens: [1, 2, 3] }];

  it("has two plan buffers and says so when both are in flight", async () => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      driver.start(0);
      const first = driver.plan(rows);
      driver.submitPlan(first, rows);
      expect(() => engine.submitStep(first)).toThrow("in flight");
      const second = driver.plan(rows);
      expect(second).not.toBe(first);
      driver.submitPlan(second, rows);
      expect(() => engine.acquirePlan()).toThrow("in flight");
      await driver.wait();
      expect(engine.acquirePlan()).toBe(first);
      await driver.wait();
    });
  });

  it("rejects a wait when nothing is in flight, and a plan of its own making", async () => {
    await withEngine(subject, async (engine) => {
      await expect(engine.waitStep({ timeoutMs: 10 })).rejects.toThrow("no step is in flight");
      const foreign = { ...engine.acquirePlan() };
      expect(() => engine.submitStep(foreign)).toThrow("does not belong");
    });
  });

  it("keeps result views until the next wait", async () => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      driver.start(0);
      driver.submit(rows);
      const first = await engine.waitStep({ timeoutMs: 60_000 });
      if (first.state !== "done") throw new Error("timeout");
      const header = [...first.result.header];
      // Both steps are done, and neither was waited for.
      driver.submit([{ slot: 0, tokens: [4] }]);
      driver.submit([{ slot: 0, tokens: [5] }]);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect([...first.result.header]).toEqual(header);
      expect((await engine.waitStep({ timeoutMs: 60_000 })).state).toBe("done");
      expect((await engine.waitStep({ timeoutMs: 60_000 })).state).toBe("done");
    });
  });
}

function describeTime(subject: EngineUnderTest): void {
  // The largest step: many milliseconds on any CPU, so that a wait of none ends before it.
  const longRows = Array.from({ length: 8 }, (_, slot): RowSpec => ({
    slot,
    tokens: promptOf(512, slot),
  }));

  it("times out a wait and gives the step to a later one", async () => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      let timeoutCount = 0;
      // On a busy machine this thread may sleep until the step is done; then there is nothing to time out.
      for (let attempt = 0; attempt < 10 && timeoutCount === 0; attempt++) {
        for (let slot = 0; slot < 8; slot++) driver.start(slot);
        const plan = driver.plan(longRows);
        engine.submitStep(plan);
        const first = await engine.waitStep({ timeoutMs: 0 });
        if (first.state === "done") continue;
        timeoutCount += 1;
        // The step is still in flight, and so is its plan.
        expect(() => engine.submitStep(plan)).toThrow("in flight");
        const second = await engine.waitStep({ timeoutMs: 60_000 });
        expect(second.state === "done" && second.result.header[RESULT_HEADER.status]).toBe(OK);
        await expect(engine.waitStep({ timeoutMs: 0 })).rejects.toThrow("no step is in flight");
      }
      expect(timeoutCount).toBe(1);
    });
  });

  it("closes while a step runs and another waits, and is closed from then on", async () => {
    const engine = await subject.open();
    const driver = new StepDriver(engine);
    for (let slot = 0; slot < 8; slot++) driver.start(slot);
    driver.submit(longRows);
    driver.submit([{ slot: 0, tokens: "sampled" }]);
    const rejection = engine.waitStep({ timeoutMs: 60_000 }).then(
      () => "done",
      (thrown: unknown) => String(thrown),
    );
    await Promise.all([engine.close(), engine.close()]);
    expect(await rejection).toContain("closed");
    await engine.close();
    await expect(engine.waitStep({ timeoutMs: 0 })).rejects.toThrow("closed");
  });
}

/** Registers the whole suite for one implementation. */
export function describeEngine(subject: EngineUnderTest): void {
  describe(`Engine: ${subject.name}`, () => {
    it("says what it is", async () => {
      await withEngine(subject, async ({ info }) => {
        expect(info.vocabSize).toBeGreaterThan(211);
        expect([info.pageTokens, info.pageCount, info.slotCount]).toEqual([16, 320, 8]);
        expect(info.pageBytes).toBeGreaterThan(0);
        expect(info.kvGroups).toHaveLength(1);
        expect(info.kvGroups[0]).toMatchObject({ windowTokens: null });
        expect(info.kvGroups[0]?.pageBytes).toBe(info.pageBytes);
        expect(info.numericsClass).toMatch(/^[\x21-\x7e]+$/);
        expect(info.capacity.tokens).toBe(4096);
      });
    });
    describe("determinism", () => describeDeterminism(subject));
    describe("sampling", () => describeSampling(subject));
    describe("page copies", () => describeCopies(subject));
    describe("embeddings", () => describeEmbeddings((run) => withEngine(subject, run)));
    describe("page moves", () => describePageMoves(subject, withEngine));
    describe("adapters", () => describeAdapters(subject, withEngine));
    describe("refused plans", () => describeRefusals(subject));
    describe("masks", () => describeMasks(subject));
    describe("buffers", () => describeBuffers(subject));
    describe("time", () => describeTime(subject));
  });
}
