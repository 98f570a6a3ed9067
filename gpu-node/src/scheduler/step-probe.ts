// Owns the measurement of single steps of a chosen shape on an idle engine: it maps pages as if a context had been
// computed, so that long contexts cost no prefill. The bytes in them mean nothing. Invariant: it leaves no step in
// flight; slots and pages are anybody's afterwards, since a request's first row clears its slot.
import { assert, units } from "@fairlane/base";
import type { Engine } from "../engine/engine.ts";
import {
  NONE,
  PLAN_HEADER,
  RESULT_HEADER,
  STEP_LAYOUT_VERSION,
  type PlanViews,
} from "../engine/step-layout.ts";
import { STEP_STUCK_AFTER_MS } from "../limits.ts";
import { pairsOfChunk, type StepSample } from "./step-cost-model.ts";

/** A step to measure: equal decodes, and one chunk unless chunkTokens is 0. Positions are multiples of a page. */
export interface ProbePoint {
  readonly decodes: number;
  readonly decodePosition: number;
  readonly chunkTokens: number;
  readonly chunkPosition: number;
}

interface ProbeRow {
  readonly slot: number;
  readonly firstPosition: number;
  readonly tokens: number;
  readonly isSampled: boolean;
}

interface PageUpdate {
  readonly slot: number;
  readonly kvGroup: number;
  readonly entry: number;
  readonly page: number;
  readonly nValid: number;
}

export class StepProbe {
  readonly #engine: Engine;
  #stepId = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** False when the engine's slots, pages, context or plan are too small for the step. */
  fits(point: ProbePoint): boolean {
    const { slotCount, contextTokens, pageCount, capacity } = this.#engine.info;
    const rows = rowsOf(point);
    const tokens = rows.reduce((sum, row) => sum + row.tokens, 0);
    const end = Math.max(...rows.map((row) => row.firstPosition + row.tokens));
    return (
      rows.length <= Math.min(slotCount, capacity.rows) &&
      tokens <= capacity.tokens &&
      end <= contextTokens &&
      this.#pagesOf(rows).pageCount <= pageCount
    );
  }

  /** Runs the step once and returns what it took. */
  async measure(point: ProbePoint): Promise<StepSample> {
    const rows = rowsOf(point);
    const { updates } = this.#pagesOf(rows);
    const { page_updates: atOnce } = this.#engine.info.capacity;
    for (let from = 0; from < updates.length; from += atOnce) {
      await this.#run((plan) => {
        if (from === 0) writeResets(plan, rows);
        writeUpdates(plan, updates.slice(from, from + atOnce), this.#engine.info.pageTokens);
      });
    }
    const us = await this.#run((plan) => writeRows(plan, rows));
    const { decodes, decodePosition, chunkTokens, chunkPosition } = point;
    return {
      tokens: decodes + chunkTokens,
      decodes,
      decodeContextTokens: decodes * (decodePosition + 1),
      chunkPairs: pairsOfChunk(chunkTokens, chunkPosition),
      us: Math.max(1, us),
    };
  }

  /** Pages before a row's first position are shared by all rows, those that it writes are its own. */
  #pagesOf(rows: readonly ProbeRow[]): { updates: PageUpdate[]; pageCount: number } {
    const { pageTokens, kvGroups } = this.#engine.info;
    const updates: PageUpdate[] = [];
    let pageCount = 0;
    for (let kvGroup = 0; kvGroup < kvGroups.length; kvGroup++) {
      const firstPage = pageCount;
      pageCount += Math.max(...rows.map((row) => row.firstPosition / pageTokens));
      for (const { slot, firstPosition, tokens } of rows) {
        const readCount = firstPosition / pageTokens;
        for (let entry = 0; entry < readCount; entry++) {
          updates.push({ slot, kvGroup, entry, page: firstPage + entry, nValid: pageTokens });
        }
        const writtenCount = units.pagesForTokens(tokens, pageTokens);
        for (let index = 0; index < writtenCount; index++) {
          updates.push({ slot, kvGroup, entry: readCount + index, page: pageCount, nValid: 0 });
          pageCount += 1;
        }
      }
    }
    return { updates, pageCount };
  }

  async #run(write: (plan: PlanViews) => void): Promise<number> {
    const plan = this.#engine.acquirePlan();
    this.#stepId += 1;
    plan.header.fill(0);
    plan.header[PLAN_HEADER.version] = STEP_LAYOUT_VERSION;
    plan.header[PLAN_HEADER.stepId] = this.#stepId;
    write(plan);
    this.#engine.submitStep(plan);
    const outcome = await this.#engine.waitStep({ timeoutMs: STEP_STUCK_AFTER_MS });
    assert(outcome.state === "done", `a probe step takes over ${STEP_STUCK_AFTER_MS} ms`);
    const { header } = outcome.result;
    assert(header[RESULT_HEADER.status] === 0, `probe refused: ${header[RESULT_HEADER.status]}`);
    return header[RESULT_HEADER.computeUs] ?? 0;
  }
}

function rowsOf(point: ProbePoint): ProbeRow[] {
  const rows: ProbeRow[] = Array.from({ length: point.decodes }, (_, slot) => ({
    slot,
    firstPosition: point.decodePosition,
    tokens: 1,
    isSampled: true,
  }));
  if (point.chunkTokens === 0) return rows;
  const [slot, firstPosition, tokens] = [rows.length, point.chunkPosition, point.chunkTokens];
  return [...rows, { slot, firstPosition, tokens, isSampled: false }];
}

function writeResets(plan: PlanViews, rows: readonly ProbeRow[]): void {
  plan.header[PLAN_HEADER.slotResets] = rows.length;
  rows.forEach(({ slot }, index) => (plan.slot_reset[index] = slot));
}

function writeUpdates(plan: PlanViews, updates: readonly PageUpdate[], pageTokens: number): void {
  plan.header[PLAN_HEADER.pageUpdates] = updates.length;
  updates.forEach(({ slot, kvGroup, entry, page, nValid }, index) => {
    plan.page_slot[index] = slot;
    plan.page_entry[index] = entry;
    plan.page_kv_group[index] = kvGroup;
    plan.page_id[index] = page;
    plan.page_first_pos[index] = entry * pageTokens;
    plan.page_n_valid[index] = nValid;
  });
}

/** Every token is token 0; decodes give it from the host, which costs the same. */
function writeRows(plan: PlanViews, rows: readonly ProbeRow[]): void {
  let tokens = 0;
  rows.forEach(({ slot, firstPosition, tokens: count, isSampled }, row) => {
    plan.row_slot[row] = slot;
    plan.row_n_tokens[row] = count;
    plan.row_first_pos[row] = firstPosition;
    plan.row_token_offset[row] = tokens;
    plan.row_adapter[row] = NONE;
    plan.row_n_logit_rows[row] = isSampled ? 1 : 0;
    plan.row_draft_len[row] = 0;
    plan.row_mask_slot[row] = NONE;
    tokens += count;
  });
  plan.token.fill(0, 0, tokens);
  plan.header[PLAN_HEADER.rows] = rows.length;
  plan.header[PLAN_HEADER.tokens] = tokens;
}
