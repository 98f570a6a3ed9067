// The part of the conformance suite about plans that an engine refuses: with which status and row, and that whatever else
// runs goes on undisturbed.
import { expect, it } from "vitest";
import type { Engine } from "../../gpu-node/src/engine/engine.ts";
import { PLAN_HEADER } from "../../gpu-node/src/engine/step-layout.ts";
import { promptOf, STATUS, WARM, withEngine, type EngineUnderTest } from "./engine-under-test.ts";
import { StepDriver, type RowSpec } from "./step-driver.ts";

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
    ["another layout version", STATUS.badVersion, -1, (p) => (p.header[PLAN_HEADER.version] = 99)],
    ["more rows than fit", STATUS.badCount, -1, (p) => (p.header[PLAN_HEADER.rows] = 1_000_000)],
    ["a negative count of tokens", STATUS.badCount, -1, (p) => (p.header[PLAN_HEADER.tokens] = -1)],
    ["a slot that does not exist", STATUS.badSlot, 1, (p) => (p.row_slot[1] = 8)],
    ["a page that does not exist", STATUS.badPage, 0, (p) => (p.page_id[0] = 320)],
    ["a page-table entry past the end", STATUS.badPage, 0, (p) => (p.page_entry[0] = 3)],
    ["a KV group that does not exist", STATUS.badPage, 0, (p) => (p.page_kv_group[0] = 1)],
    ["one page written by two rows", STATUS.badPage, 1, (p) => (p.page_id[1] = p.page_id[0] ?? 0)],
    ["the same slot twice", STATUS.badRow, 1, (p) => (p.row_slot[1] = p.row_slot[0] ?? 0)],
    ["no tokens", STATUS.badRow, 0, (p) => (p.row_n_tokens[0] = 0)],
    ["tokens past the end", STATUS.badRow, 1, (p) => (p.row_token_offset[1] = 7)],
    ["a position past the context", STATUS.badRow, 0, (p) => (p.row_first_pos[0] = 1 << 30)],
    [
      "the sample of a slot without one",
      STATUS.badRow,
      1,
      (p) => p.row_token_offset.fill(-1, 1, 2) && p.row_n_tokens.fill(1, 1, 2),
    ],
    ["a token outside the vocabulary", STATUS.badToken, 1, (p) => (p.token[5] = 1_000_000)],
    ["a negative token", STATUS.badToken, 0, (p) => (p.token[0] = -1)],
    ["a position without a page", STATUS.unmapped, 0, (p) => (p.row_first_pos[0] = 14)],
    ["a hole before the row", STATUS.unmapped, 1, (p) => (p.row_first_pos[1] = 2)],
    [
      "a temperature that is no number",
      STATUS.badSampling,
      1,
      (p) => (p.sampling_temperature[1] = NaN),
    ],
    [
      "more page copies than fit",
      STATUS.badCount,
      -1,
      (p) => (p.header[PLAN_HEADER.pageCopies] = 1_000_000),
    ],
    ["a copy to a page that does not exist", STATUS.badPage, 0, (p) => setCopies(p, [1, 320])],
    [
      "a copy of a page that does not exist",
      STATUS.badPage,
      1,
      (p) => setCopies(p, [1, 2], [-1, 3]),
    ],
    ["two copies to one page", STATUS.badPage, 1, (p) => setCopies(p, [300, 302], [301, 302])],
    [
      "a copy to a page that is copied",
      STATUS.badPage,
      0,
      (p) => setCopies(p, [300, 301], [301, 302]),
    ],
    ["an unknown pooling", STATUS.badSampling, 1, (p) => (p.sampling_pooling[1] = 3)],
    ["top_p 0", STATUS.badSampling, 0, (p) => (p.sampling_top_p[0] = 0)],
  ];

export function describeRefusals(subject: EngineUnderTest): void {
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
        expect(outcome.status).toBe(STATUS.ok);
        samples.push(outcome.samples.get(0));
      }
      expect(samples).toEqual(expected);
    });
  });
}
