// Owns the driving of an Engine by hand in tests: writes rows into plans, hands out pages and reads results back. It
// schedules nothing. Invariant: a page belongs to one slot at a time.
import { assert } from "@fairlane/base";
import type { Engine, WaitOutcome } from "../../gpu-node/src/engine/engine.ts";
import type { PackedAdapter } from "../../gpu-node/src/engine/adapter-spec.ts";
import {
  FROM_DEVICE,
  NONE,
  PLAN_HEADER,
  RESULT_HEADER,
  STEP_LAYOUT_VERSION,
  type PlanViews,
  type ResultViews,
} from "../../gpu-node/src/engine/step-layout.ts";

export interface SamplingSpec {
  readonly temperature: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  /** Of POOLING. */
  readonly pooling?: number;
}

export interface RowSpec {
  readonly slot: number;
  /** "sampled" takes the slot's own last sample, at the device's own position. */
  readonly tokens: readonly number[] | "sampled";
  /** Default true. */
  readonly isSampled?: boolean;
  /** Mask of the tokens that may be sampled; default none. */
  readonly maskSlot?: number;
  /** Default none. */
  readonly adapterSlot?: number;
}

export interface Sample {
  readonly token: number;
  readonly logprob: number;
}

export interface StepOutcome {
  readonly status: number;
  readonly badRow: number;
  readonly computeUs: number;
  readonly samples: ReadonlyMap<number, Sample>;
}

interface SlotState {
  pages: number[];
  nextPosition: number;
  isFresh: boolean;
  sampling: SamplingSpec | undefined;
  /** Of a fork: pages that its first step copies. */
  copies?: readonly (readonly [from: number, to: number])[];
}

/** Result columns as an outcome; `slots` are those of the plan's rows. */
function outcomeOf(result: ResultViews, slots: readonly number[]): StepOutcome {
  const { header } = result;
  const samples = new Map<number, Sample>();
  for (let row = 0; row < (header[RESULT_HEADER.rows] ?? 0); row++) {
    const slot = slots[result.result_row[row] ?? NONE];
    assert(slot !== undefined, `the result names row ${result.result_row[row]}`);
    if (result.result_n_out[row] === 0) continue;
    const offset = result.result_offset[row] ?? NONE;
    const [token, logprob] = [result.result_token[offset], result.result_logprob[offset]];
    assert(token !== undefined && logprob !== undefined, `row ${row} has no sample at ${offset}`);
    samples.set(slot, { token, logprob });
  }
  return {
    status: header[RESULT_HEADER.status] ?? NONE,
    badRow: header[RESULT_HEADER.badRow] ?? NONE,
    computeUs: header[RESULT_HEADER.computeUs] ?? 0,
    samples,
  };
}

export class StepDriver {
  readonly engine: Engine;
  readonly #slots = new Map<number, SlotState>();
  readonly #freePages: number[];
  readonly #submittedSlots: number[][] = [];
  #stepId = 0;

  /** @param pageOrder order in which pages are handed out; default ascending. */
  constructor(engine: Engine, pageOrder?: readonly number[]) {
    this.engine = engine;
    this.#freePages = [...(pageOrder ?? Array.from({ length: engine.info.pageCount }).keys())];
  }

  /** Makes a slot new with the next step; without sampling parameters it is greedy. */
  start(slot: number, sampling: SamplingSpec = { temperature: 0 }): void {
    this.#freePages.push(...(this.#slots.get(slot)?.pages ?? []));
    this.#slots.set(slot, { pages: [], nextPosition: 0, isFresh: true, sampling });
  }

  /**
   * Makes `slot` new as a fork of another slot's first `positionCount` positions: full pages are shared, a part-filled
   * one is copied with the next step. The slot that it is forked from must live on.
   */
  fork(slot: number, of: number, positionCount: number): void {
    const { pageTokens } = this.engine.info;
    const source = this.#slots.get(of);
    assert(source !== undefined, `slot ${of} was not started`);
    const pages = source.pages.slice(0, Math.ceil(positionCount / pageTokens));
    const copies: [from: number, to: number][] = [];
    const last = pages.at(-1);
    if (positionCount % pageTokens > 0 && last !== undefined) {
      const target = this.#freePages.shift();
      assert(target !== undefined, "the driver is out of pages");
      copies.push([last, target]);
      pages[pages.length - 1] = target;
    }
    const sampling = { temperature: 0 };
    const state = { pages, nextPosition: positionCount, isFresh: true, sampling, copies };
    this.#slots.set(slot, state);
  }

  /**
   * Makes `slot` new with other pages, into which another slot's first `positionCount` positions are moved through
   * their canonical form; returns that form.
   */
  move(slot: number, of: number, positionCount: number): Uint8Array {
    const { pageTokens } = this.engine.info;
    const count = Math.ceil(positionCount / pageTokens);
    const sources = this.#slots.get(of)?.pages.slice(0, count) ?? [];
    const pages = this.#freePages.splice(0, count);
    assert(pages.length === count && sources.length === count, "the driver is out of pages");
    const canonical = new Uint8Array(count * this.engine.canonicalPageBytes(0));
    this.engine.exportPages({ kvGroup: 0, pages: Int32Array.from(sources), canonical });
    this.engine.importPages({ kvGroup: 0, pages: Int32Array.from(pages), canonical });
    const sampling = this.#slots.get(of)?.sampling;
    this.#slots.set(slot, { pages, nextPosition: positionCount, isFresh: true, sampling });
    return canonical;
  }

  /** Writes a packed adapter into pages that nobody has and lets rows name it; returns the pages. */
  placeAdapter(adapterSlot: number, { pageCount, images, table }: PackedAdapter): Int32Array {
    const pages = Int32Array.from(this.#freePages.splice(0, pageCount));
    assert(pages.length === pageCount, "the driver is out of pages");
    this.engine.writePages({ pages, images });
    this.engine.setAdapter({ adapterSlot, table, pages });
    return pages;
  }

  /** Writes a plan without submitting it, for tests that break it first. */
  plan(rows: readonly RowSpec[]): PlanViews {
    const plan = this.engine.acquirePlan();
    plan.header.fill(0);
    plan.header[PLAN_HEADER.version] = STEP_LAYOUT_VERSION;
    plan.header[PLAN_HEADER.stepId] = ++this.#stepId;
    for (const row of rows) this.#writeRow(plan, row);
    return plan;
  }

  submit(rows: readonly RowSpec[]): void {
    this.submitPlan(this.plan(rows), rows);
  }

  submitPlan(plan: PlanViews, rows: readonly RowSpec[]): void {
    this.engine.submitStep(plan);
    this.#submittedSlots.push(rows.map(({ slot }) => slot));
  }

  async wait(timeoutMs = 60_000): Promise<StepOutcome> {
    const waited: WaitOutcome = await this.engine.waitStep({ timeoutMs });
    assert(waited.state === "done", `no step was done within ${timeoutMs} ms`);
    return outcomeOf(waited.result, this.#submittedSlots.shift() ?? []);
  }

  async step(rows: readonly RowSpec[]): Promise<StepOutcome> {
    this.submit(rows);
    return await this.wait();
  }

  /** Computes a prompt in chunks and then `count` tokens, the first included. */
  async generate(
    slot: number,
    prompt: readonly number[],
    options: { count: number; chunk: number; adapterSlot?: number },
  ) {
    const { adapterSlot = NONE } = options;
    const samples: Sample[] = [];
    for (let done = 0; done < prompt.length; done += options.chunk) {
      const tokens = prompt.slice(done, done + options.chunk);
      const isSampled = done + options.chunk >= prompt.length;
      const { status, samples: got } = await this.step([{ slot, tokens, isSampled, adapterSlot }]);
      assert(status === 0, `the step was refused with status ${status}`);
      const sample = got.get(slot);
      if (sample !== undefined) samples.push(sample);
    }
    while (samples.length < options.count) {
      const sample = (await this.step([{ slot, tokens: "sampled", adapterSlot }])).samples.get(
        slot,
      );
      assert(sample !== undefined, "a decode gave no token");
      samples.push(sample);
    }
    return samples;
  }

  #writeRow(plan: PlanViews, row: RowSpec): void {
    const { header } = plan;
    const state = this.#slots.get(row.slot);
    assert(state !== undefined, `slot ${row.slot} was not started`);
    if (state.isFresh) this.#writeStart(plan, row.slot, state);
    const { tokens } = row;
    const tokenCount = tokens === "sampled" ? 1 : tokens.length;
    this.#writePages(plan, row.slot, state.nextPosition + tokenCount);
    const index = this.#next(header, PLAN_HEADER.rows);
    plan.row_slot[index] = row.slot;
    plan.row_n_tokens[index] = tokenCount;
    plan.row_first_pos[index] = tokens === "sampled" ? FROM_DEVICE : state.nextPosition;
    plan.row_adapter[index] = row.adapterSlot ?? NONE;
    plan.row_n_logit_rows[index] = (row.isSampled ?? true) ? 1 : 0;
    plan.row_draft_len[index] = 0;
    plan.row_mask_slot[index] = row.maskSlot ?? NONE;
    plan.row_token_offset[index] = FROM_DEVICE;
    if (tokens !== "sampled") {
      const offset = header[PLAN_HEADER.tokens] ?? 0;
      plan.row_token_offset[index] = offset;
      plan.token.set(tokens, offset);
      header[PLAN_HEADER.tokens] = offset + tokens.length;
    }
    state.nextPosition += tokenCount;
  }

  #writeStart(plan: PlanViews, slot: number, state: SlotState): void {
    state.isFresh = false;
    plan.slot_reset[this.#next(plan.header, PLAN_HEADER.slotResets)] = slot;
    const {
      temperature,
      topP = 1,
      topK = 0,
      seed = 0,
      pooling = 0,
    } = state.sampling ?? { temperature: 0 };
    const index = this.#next(plan.header, PLAN_HEADER.samplingUpdates);
    plan.sampling_slot[index] = slot;
    plan.sampling_temperature[index] = temperature;
    plan.sampling_top_p[index] = topP;
    plan.sampling_top_k[index] = topK;
    plan.sampling_seed_lo[index] = seed;
    plan.sampling_seed_hi[index] = 0;
    plan.sampling_pooling[index] = pooling;
    this.#writeFork(plan, slot, state);
  }

  /** The pages that a fork begins with, and their copies. */
  #writeFork(plan: PlanViews, slot: number, { pages, nextPosition, copies = [] }: SlotState): void {
    const { pageTokens, kvGroups } = this.engine.info;
    pages.forEach((page, index) => {
      const firstPosition = Math.floor(index / kvGroups.length) * pageTokens;
      this.#writePage(plan, slot, {
        index,
        page,
        nValid: Math.min(pageTokens, nextPosition - firstPosition),
      });
    });
    for (const [from, to] of copies) {
      const index = this.#next(plan.header, PLAN_HEADER.pageCopies);
      plan.copy_src_page[index] = from;
      plan.copy_dst_page[index] = to;
    }
  }

  #writePages(plan: PlanViews, slot: number, endPosition: number): void {
    const { pageTokens, kvGroups } = this.engine.info;
    const pages = this.#slots.get(slot)?.pages ?? [];
    const pageCount = Math.ceil(endPosition / pageTokens) * kvGroups.length;
    while (pages.length < pageCount) {
      const page = this.#freePages.shift();
      assert(page !== undefined, "the driver is out of pages");
      this.#writePage(plan, slot, { index: pages.length, page, nValid: 0 });
      pages.push(page);
    }
  }

  #writePage(
    plan: PlanViews,
    slot: number,
    { index: place, page, nValid }: { index: number; page: number; nValid: number },
  ): void {
    const { kvGroups, pageTokens } = this.engine.info;
    const entry = Math.floor(place / kvGroups.length);
    const index = this.#next(plan.header, PLAN_HEADER.pageUpdates);
    plan.page_slot[index] = slot;
    plan.page_entry[index] = entry;
    plan.page_kv_group[index] = place % kvGroups.length;
    plan.page_id[index] = page;
    plan.page_first_pos[index] = entry * pageTokens;
    plan.page_n_valid[index] = nValid;
  }

  #next(header: Int32Array, word: number): number {
    const index = header[word] ?? 0;
    header[word] = index + 1;
    return index;
  }
}
