// Owns a one-row plan for tests of the native engine, in this process, in workers and in child processes.
import type { Engine } from "../engine.ts";
import { NONE, PLAN_HEADER, STEP_LAYOUT_VERSION, type PlanViews } from "../step-layout.ts";

/** Writes one row of `tokenCount` tokens on the fresh slot 0, over pages 0, 1, 2 and so on. */
export function writeRow(plan: PlanViews, tokenCount: number): void {
  plan.header.fill(0);
  plan.header[PLAN_HEADER.version] = STEP_LAYOUT_VERSION;
  plan.header[PLAN_HEADER.rows] = 1;
  plan.header[PLAN_HEADER.tokens] = tokenCount;
  plan.header[PLAN_HEADER.slotResets] = 1;
  plan.slot_reset[0] = 0;
  for (let page = 0; page * 16 < tokenCount; page++) {
    plan.header[PLAN_HEADER.pageUpdates] = page + 1;
    plan.page_slot[page] = 0;
    plan.page_entry[page] = page;
    plan.page_id[page] = page;
    plan.page_first_pos[page] = page * 16;
    plan.page_n_valid[page] = 0;
  }
  plan.row_slot[0] = 0;
  plan.row_n_tokens[0] = tokenCount;
  plan.row_first_pos[0] = 0;
  plan.row_token_offset[0] = 0;
  plan.row_adapter[0] = NONE;
  plan.row_mask_slot[0] = NONE;
  plan.row_draft_len[0] = 0;
  plan.row_n_logit_rows[0] = 1;
  plan.token.fill(7);
}

/** Submits such a row. */
export function submitRow(engine: Engine, tokenCount: number): void {
  const plan = engine.acquirePlan();
  writeRow(plan, tokenCount);
  engine.submitStep(plan);
}
