import { describe, expect, it } from "vitest";
import { BlockTable } from "../memory/block-table.ts";
import { PagePool } from "../memory/page-pool.ts";
import { joinRunning, type RunningRequest } from "../request/request.ts";
import { Batch } from "../scheduler/batch.ts";
import { stepCapacityFor } from "../scheduler/scheduler-parts.ts";
import { engineRequest } from "../scheduler/testing/engine-request.ts";
import { layoutBytes, PLAN_COLUMNS, planViews, type PlanViews } from "./step-layout.ts";
import { writeStepPlan } from "./step-plan.ts";

function emptyPlan(): PlanViews {
  const capacity = stepCapacityFor({ slotCount: 4, stepBudgetTokens: 32, pageTokens: 4 });
  return planViews(capacity, new ArrayBuffer(layoutBytes(PLAN_COLUMNS, capacity)));
}

function joined(pool: PagePool, slot: number, promptTokens: number[]): RunningRequest {
  const sampling = { temperature: 0.5, topP: 0.25, topK: 3, seedLow: 0xffff_fffe, seedHigh: 7 };
  const spec = engineRequest(`req_${slot}`, { promptTokens, sampling });
  const blocks = new BlockTable(4);
  blocks.reserve(pool, promptTokens.length + 8);
  const queued = { state: "queued", spec, outputTokensMax: 8, latestStartMs: 0 } as const;
  return joinRunning(queued, { slot, blocks, scheduledAtMs: 0 });
}

function used(plan: PlanViews): Record<string, number[]> {
  const [, stepId = 0, rows = 0, tokens = 0, pages = 0, sampling = 0, resets = 0] = plan.header;
  return {
    step: [stepId],
    reset: [...plan.slot_reset.subarray(0, resets)],
    page_slot: [...plan.page_slot.subarray(0, pages)],
    page_entry: [...plan.page_entry.subarray(0, pages)],
    page_id: [...plan.page_id.subarray(0, pages)],
    page_first_pos: [...plan.page_first_pos.subarray(0, pages)],
    sampling_slot: [...plan.sampling_slot.subarray(0, sampling)],
    row_slot: [...plan.row_slot.subarray(0, rows)],
    row_n_tokens: [...plan.row_n_tokens.subarray(0, rows)],
    row_first_pos: [...plan.row_first_pos.subarray(0, rows)],
    row_token_offset: [...plan.row_token_offset.subarray(0, rows)],
    row_n_logit_rows: [...plan.row_n_logit_rows.subarray(0, rows)],
    token: [...plan.token.subarray(0, tokens)],
  };
}

describe("writeStepPlan", () => {
  it("writes a new request's slot, sampling and the pages of its chunk, then only what is new", () => {
    const pool = new PagePool(16);
    const plan = emptyPlan();
    const batch = new Batch(4);
    const request = joined(pool, 2, [11, 12, 13, 14, 15, 16]);

    batch.addChunk(request, 5);
    writeStepPlan(plan, 1, batch);
    expect(used(plan)).toEqual({
      step: [1],
      reset: [2],
      page_slot: [2, 2],
      page_entry: [0, 1],
      page_id: [0, 1],
      page_first_pos: [0, 4],
      sampling_slot: [2],
      row_slot: [2],
      row_n_tokens: [5],
      row_first_pos: [0],
      row_token_offset: [0],
      row_n_logit_rows: [0],
      token: [11, 12, 13, 14, 15],
    });
    expect([plan.sampling_top_k[0], plan.sampling_top_p[0]]).toEqual([3, 0.25]);
    expect([plan.sampling_temperature[0], plan.sampling_seed_hi[0]]).toEqual([0.5, 7]);
    expect((plan.sampling_seed_lo[0] ?? 0) >>> 0).toBe(0xffff_fffe);

    batch.clear();
    batch.addChunk(request, 1);
    writeStepPlan(plan, 2, batch);
    expect(used(plan)).toMatchObject({
      step: [2],
      reset: [],
      page_slot: [],
      sampling_slot: [],
      row_first_pos: [5],
      row_n_logit_rows: [1],
      token: [16],
    });
  });

  it("lets a decode take its token from the device and begin a page when it needs one", () => {
    const pool = new PagePool(16);
    const plan = emptyPlan();
    const batch = new Batch(4);
    const request = joined(pool, 1, [11, 12, 13, 14]);
    batch.addChunk(request, 4);
    writeStepPlan(plan, 1, batch);

    batch.clear();
    batch.addDecode(request);
    writeStepPlan(plan, 2, batch);
    expect(used(plan)).toMatchObject({
      page_entry: [1],
      page_first_pos: [4],
      row_slot: [1],
      row_n_tokens: [1],
      row_first_pos: [4],
      row_token_offset: [-1],
      row_n_logit_rows: [1],
      token: [],
    });
  });

  it("packs the tokens of several chunks one after another", () => {
    const pool = new PagePool(16);
    const plan = emptyPlan();
    const batch = new Batch(4);
    batch.addChunk(joined(pool, 0, [1, 2, 3]), 3);
    batch.addChunk(joined(pool, 3, [7, 8]), 1);
    writeStepPlan(plan, 9, batch);
    expect(used(plan)).toMatchObject({ row_token_offset: [0, 3], token: [1, 2, 3, 7] });
    expect([...plan.row_adapter.subarray(0, 2)]).toEqual([-1, -1]);
    expect([...plan.row_mask_slot.subarray(0, 2)]).toEqual([-1, -1]);
  });

  it("asserts what does not fit instead of writing past a column", () => {
    const pool = new PagePool(32);
    const small = {
      rows: 2,
      tokens: 4,
      page_updates: 2,
      sampling_updates: 2,
      slot_resets: 2,
      bias_updates: 2,
      top_tokens: 40,
      copied_pages: 4,
    };
    const plan = planViews(small, new ArrayBuffer(layoutBytes(PLAN_COLUMNS, small)));
    const batch = new Batch(4);
    expect(() => writeStepPlan(plan, 1, batch)).toThrow("a step needs a row");
    batch.addChunk(joined(pool, 0, [1, 2, 3, 4, 5]), 5);
    expect(() => writeStepPlan(plan, 1, batch)).toThrow("0 + 5 tokens do not fit");
    batch.clear();
    batch.addChunk(joined(pool, 1, [1, 2, 3, 4, 5, 6, 7, 8, 9]), 9);
    expect(() => writeStepPlan(plan, 1, batch)).toThrow("would pass its capacity of 2");
  });
});
