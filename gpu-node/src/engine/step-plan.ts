// Owns the writing of a batch into a plan buffer, as deltas of what the engine already knows: slots to clear, new
// page-table entries, page copies and sampling parameters of new requests, then the rows. It allocates nothing.
// Invariant: every position that a row computes has its page in the engine's table; nothing is written past a
// column's capacity.
import { assert, AssertionError } from "@fairlane/base";
import type { Batch, BatchRow } from "../scheduler/batch.ts";
import { biasesOf, writeSamplingUpdate } from "./sampling-columns.ts";
import {
  FROM_DEVICE,
  NONE,
  PLAN_HEADER,
  STEP_LAYOUT_VERSION,
  type PlanViews,
} from "./step-layout.ts";

/** Writes the batch as the plan of step `stepId` and notes in the requests' block tables what the engine knows. */
export function writeStepPlan(plan: PlanViews, stepId: number, batch: Batch): void {
  const { header } = plan;
  assert(batch.rowCount >= 1, "a step needs a row");
  assert(batch.rowCount <= plan.row_slot.length, `${batch.rowCount} rows do not fit the plan`);
  header.fill(0);
  header[PLAN_HEADER.version] = STEP_LAYOUT_VERSION;
  header[PLAN_HEADER.stepId] = stepId;
  for (let index = 0; index < batch.rowCount; index++) {
    const row = batch.row(index);
    if (row.isFirst) {
      writeNewSlot(plan, row);
      writeCopies(plan, row);
    }
    writePages(plan, row);
    writeRow(plan, row, index);
  }
  header[PLAN_HEADER.rows] = batch.rowCount;
}

/** Takes the next index of a column whose use is counted in the header. */
function takeIndex(header: Int32Array, word: number, capacity: number): number {
  const index = header[word] ?? 0;
  // A message is made only when it is needed: this runs for every row of every step.
  if (index >= capacity)
    throw new AssertionError(`plan header word ${word} would pass its capacity of ${capacity}`);
  header[word] = index + 1;
  return index;
}

function writeNewSlot(plan: PlanViews, { request }: BatchRow): void {
  const { slot, spec } = request;
  const reset = takeIndex(plan.header, PLAN_HEADER.slotResets, plan.slot_reset.length);
  plan.slot_reset[reset] = slot;
  const update = takeIndex(plan.header, PLAN_HEADER.samplingUpdates, plan.sampling_slot.length);
  plan.sampling_slot[update] = slot;
  writeSamplingUpdate(plan, update, spec);
  for (const bias of biasesOf(spec)) {
    const index = takeIndex(plan.header, PLAN_HEADER.biasUpdates, plan.bias_slot.length);
    plan.bias_slot[index] = slot;
    plan.bias_token[index] = bias.token;
    plan.bias_value[index] = bias.value;
    plan.bias_until_pos[index] = bias.untilPosition;
  }
}

function writeCopies(plan: PlanViews, { request }: BatchRow): void {
  for (const { page, target } of request.blocks.copies) {
    const index = takeIndex(plan.header, PLAN_HEADER.pageCopies, plan.copy_src_page.length);
    plan.copy_src_page[index] = page;
    plan.copy_dst_page[index] = target;
  }
}

function writePages(plan: PlanViews, row: BatchRow): void {
  const { blocks } = row.request;
  if (blocks.isMapped(row.firstPosition + row.tokenCount)) return;
  const { groups } = blocks;
  for (let kvGroup = 0; kvGroup < groups.length; kvGroup++) writeGroupPages(plan, row, kvGroup);
  blocks.noteMapped();
}

function writeGroupPages(plan: PlanViews, row: BatchRow, kvGroup: number): void {
  const { blocks, slot } = row.request;
  const pages = blocks.groups[kvGroup];
  if (pages === undefined) return;
  const entryCount = pages.entriesFor(row.firstPosition + row.tokenCount);
  for (let index = pages.mappedCount; index < entryCount; index++) {
    const entry = pages.entries[index];
    // A message is made only when it is needed.
    if (entry === undefined)
      throw new AssertionError(`position ${row.firstPosition} of slot ${slot} has no page`);
    const update = takeIndex(plan.header, PLAN_HEADER.pageUpdates, plan.page_slot.length);
    plan.page_slot[update] = slot;
    plan.page_entry[update] = index;
    plan.page_kv_group[update] = kvGroup;
    plan.page_id[update] = entry.page;
    plan.page_first_pos[update] = entry.firstPosition;
    plan.page_n_valid[update] = entry.nValid;
  }
  if (entryCount > pages.mappedCount) pages.markMapped(entryCount);
}

function writeRow(plan: PlanViews, row: BatchRow, index: number): void {
  const { firstPosition, tokenCount } = row;
  plan.row_slot[index] = row.slot;
  plan.row_n_tokens[index] = tokenCount;
  plan.row_first_pos[index] = firstPosition;
  plan.row_adapter[index] = row.request.adapterSlot;
  plan.row_n_logit_rows[index] = row.isSampled ? 1 : 0;
  plan.row_draft_len[index] = 0;
  plan.row_mask_slot[index] = row.isMasked ? row.slot : NONE;
  if (row.isDecode) plan.row_token_offset[index] = FROM_DEVICE;
  else plan.row_token_offset[index] = writeTokens(plan, row);
}

/** @returns the offset of the row's tokens */
function writeTokens({ header, token }: PlanViews, row: BatchRow): number {
  const { request, firstPosition, tokenCount } = row;
  const offset = header[PLAN_HEADER.tokens] ?? 0;
  assert(
    offset + tokenCount <= token.length,
    `${offset} + ${tokenCount} tokens do not fit the plan`,
  );
  const { prefillTokens } = request;
  for (let i = 0; i < tokenCount; i++) token[offset + i] = prefillTokens[firstPosition + i] ?? NONE;
  header[PLAN_HEADER.tokens] = offset + tokenCount;
  return offset;
}
