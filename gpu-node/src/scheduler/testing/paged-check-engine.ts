// Owns an engine for tests that computes nothing but checks everything: it keeps page tables and page contents as
// a real engine does, refuses plans that a real one refuses, and samples a token that depends on every token of
// the context as read back through the pages. So a page given away too early changes what a request says; one that a
// step in flight may still read fails at once.
// It is no simulation: it has no time model.
import { assert } from "@fairlane/base";
import type { AdapterSpec, PackedAdapter } from "../../engine/adapter-spec.ts";
import type { Engine, EngineInfo, PageMove, WaitOutcome } from "../../engine/engine.ts";
import type { PageImages, PlacedAdapter } from "../../engine/engine.ts";
import { SimulatedAdapters } from "../../engine/simulated-adapters.ts";
import {
  FROM_DEVICE,
  layoutBytes,
  NONE,
  PLAN_COLUMNS,
  PLAN_HEADER,
  planViews,
  RESULT_COLUMNS,
  RESULT_HEADER,
  resultViews,
  STEP_LAYOUT_VERSION,
  type PlanViews,
  type ResultViews,
} from "../../engine/step-layout.ts";
import { SimulatedEmbeddings } from "../../engine/simulated-embeddings.ts";
import { TokenMasks } from "../../engine/token-masks.ts";
import { checkEngineInfo, type CheckEngineOptions } from "./check-engine-info.ts";
import { copyPages } from "./copy-pages.ts";
import { CheckPages, type Tables } from "./check-pages.ts";
import { at } from "./column-at.ts";
import { MovedPages } from "./moved-pages.ts";
import { nextToken } from "./next-token.ts";

/** A submitted step: computed at once, in order, and handed out when it is waited for. */
interface Flight {
  readonly plan: PlanViews;
  readonly result: ResultViews;
  /** Pages that its rows read or write. */
  readonly pages: ReadonlySet<number>;
}

interface Slot {
  tables: Tables;
  lastToken: number;
  /** 0 when greedy, else the seed. */
  salt: number;
}

interface RowOfPlan {
  readonly plan: PlanViews;
  readonly result: ResultViews;
  readonly row: number;
}

interface SampledRow {
  readonly result: ResultViews;
  readonly row: number;
  readonly slot: Slot;
  readonly maskSlot: number;
}

export class PagedCheckEngine implements Engine {
  readonly info: EngineInfo;
  /** What a step did that the tests compare with the requests' counts. */
  hostTokensComputed = 0;
  tokensSampled = 0;
  closeCount = 0;
  submitCount = 0;
  /** How often waitStep still answers "timeout" before the step is done. */
  timeoutsLeft = 0;
  /** Spoils the next step: a refused plan, a wrong fence, a rejected wait. */
  nextFault: "status" | "fence" | "reject" | null = null;
  readonly #slots: Slot[];
  readonly #pages: CheckPages;
  readonly #plans: readonly PlanViews[];
  readonly #results: readonly ResultViews[];
  readonly #readsContext: boolean;
  readonly #masks: TokenMasks;
  readonly #embeddings: SimulatedEmbeddings;
  readonly #moved: MovedPages;
  readonly #adapters: SimulatedAdapters;
  readonly #inFlight: Flight[] = [];

  readonly canonicalPageBytes = (): number => this.#moved.pageBytes;
  readonly exportPages = (move: PageMove): void => this.#moved.exportPages(move);
  readonly importPages = (move: PageMove): void => this.#moved.importPages(move);
  readonly packAdapter = (spec: AdapterSpec): Promise<PackedAdapter> => this.#adapters.pack(spec);
  readonly writePages = (images: PageImages): void => this.#adapters.write(images);
  readonly setAdapter = (placed: PlacedAdapter): void => this.#adapters.set(placed);
  readonly clearAdapter = (adapterSlot: number): void => this.#adapters.clear(adapterSlot);

  constructor(options: CheckEngineOptions = {}) {
    this.info = checkEngineInfo(options);
    const { slotCount, pageCount, pageTokens, capacity, adapterSlots } = this.info;
    this.#masks = new TokenMasks(this.info);
    this.#embeddings = new SimulatedEmbeddings(slotCount);
    this.#readsContext = options.readsContext ?? true;
    this.#pages = new CheckPages(this.info);
    this.#slots = Array.from({ length: slotCount }, () => ({
      tables: this.#pages.emptyTables(),
      lastToken: NONE,
      salt: 0,
    }));
    this.#adapters = new SimulatedAdapters(adapterSlots, {
      pages: {
        pageCount,
        pageWords: pageTokens,
        words: this.#pages.tokens,
        isInUse: (page) => this.#isRead(page),
      },
      submitted: () => this.#inFlight.map(({ plan }) => plan),
    });
    this.#moved = new MovedPages(this.#pages.tokens, pageTokens, (page) => this.#isRead(page));
    this.#plans = [0, 1].map(() =>
      planViews(capacity, new ArrayBuffer(layoutBytes(PLAN_COLUMNS, capacity))),
    );
    this.#results = [0, 1].map(() =>
      resultViews(capacity, new ArrayBuffer(layoutBytes(RESULT_COLUMNS, capacity))),
    );
  }

  maskAt(maskSlot: number): Int32Array {
    return this.#masks.at(maskSlot);
  }

  embeddingAt(slot: number): Float32Array {
    return this.#embeddings.at(slot);
  }

  acquirePlan(): PlanViews {
    const free = this.#plans.find((plan) => this.#inFlight.every((flight) => flight.plan !== plan));
    assert(free !== undefined, "both plans are in flight");
    return free;
  }

  submitStep(plan: PlanViews): void {
    assert(this.#plans.includes(plan), "a foreign plan");
    assert(
      this.#inFlight.every((flight) => flight.plan !== plan),
      "the plan is in flight",
    );
    this.submitCount += 1;
    const result = this.#results[this.submitCount % 2];
    assert(result !== undefined, "no result buffer");
    const pages = this.#compute(plan, result);
    this.#inFlight.push({ plan, result, pages });
  }

  waitStep(): Promise<WaitOutcome> {
    assert(this.#inFlight.length > 0, "nothing is in flight");
    if (this.timeoutsLeft > 0) {
      this.timeoutsLeft -= 1;
      return Promise.resolve({ state: "timeout" });
    }
    const result = this.takeResult();
    const fault = this.nextFault;
    this.nextFault = null;
    if (fault === "reject") return Promise.reject(new Error("the launcher died"));
    if (fault === "fence") result.header[RESULT_HEADER.stepId] = 999;
    if (fault === "status") result.header[RESULT_HEADER.status] = 5;
    return Promise.resolve({ state: "done", result });
  }

  close(): Promise<void> {
    this.closeCount += 1;
    return Promise.resolve();
  }

  /** The step's outcome without a promise, for tests that drive StepCycle by hand. */
  takeResult(): ResultViews {
    const oldest = this.#inFlight.shift();
    assert(oldest !== undefined, "nothing is in flight");
    return oldest.result;
  }

  /** Computes a step into `result`; returns the pages that it reads or writes. */
  #compute(plan: PlanViews, result: ResultViews): ReadonlySet<number> {
    const { header } = plan;
    assert(header[PLAN_HEADER.version] === STEP_LAYOUT_VERSION, "wrong layout version");
    this.#applyDeltas(plan);
    const written = new Set<number>();
    const slots = new Set<number>();
    const pages = new Set<number>();
    let computed = 0;
    result.header.fill(0);
    result.header[RESULT_HEADER.version] = STEP_LAYOUT_VERSION;
    result.header[RESULT_HEADER.stepId] = at(header, PLAN_HEADER.stepId);
    for (let row = 0; row < at(header, PLAN_HEADER.rows); row++) {
      assert(!slots.has(at(plan.row_slot, row)), `slot of row ${row} has two rows`);
      slots.add(at(plan.row_slot, row));
      computed += at(plan.row_n_tokens, row);
      this.#computeRow({ plan, result, row }, written);
      for (const page of this.#pagesOfRow(plan, row)) pages.add(page);
    }
    assert(computed <= this.info.capacity.tokens, `${computed} tokens in a step`);
    result.header[RESULT_HEADER.rows] = at(header, PLAN_HEADER.rows);
    result.header[RESULT_HEADER.computeUs] = 7;
    return pages;
  }

  #applyDeltas(plan: PlanViews): void {
    const { header } = plan;
    this.#embeddings.begin(plan);
    const copied = copyPages(plan, this.#pages.tokens, this.info.pageTokens);
    for (const page of copied) {
      assert(!this.#isRead(page), `page ${page} is still read`);
    }
    for (let i = 0; i < at(header, PLAN_HEADER.slotResets); i++) {
      const slot = this.#slot(at(plan.slot_reset, i));
      slot.tables = this.#pages.emptyTables();
      slot.lastToken = NONE;
    }
    for (let i = 0; i < at(header, PLAN_HEADER.pageUpdates); i++) {
      const page = at(plan.page_id, i);
      const validTokens = at(plan.page_n_valid, i);
      const isShared = validTokens === this.info.pageTokens;
      const isImported = this.#moved.takeImported(page);
      const isSound = validTokens === 0 || isShared || isImported || copied.has(page);
      assert(isSound, `page ${page} has ${validTokens} tokens`);
      const update = {
        kvGroup: at(plan.page_kv_group, i),
        index: at(plan.page_entry, i),
        firstPosition: at(plan.page_first_pos, i),
        page,
        isShared,
      };
      assert(isShared || !this.#isRead(page), `page ${page} is still read`);
      this.#pages.map(this.#slot(at(plan.page_slot, i)).tables, update);
    }
    for (let i = 0; i < at(header, PLAN_HEADER.samplingUpdates); i++) {
      const isGreedy = at(plan.sampling_temperature, i) === 0;
      const seed = at(plan.sampling_seed_lo, i) ^ at(plan.sampling_seed_hi, i);
      this.#slot(at(plan.sampling_slot, i)).salt = isGreedy ? 0 : seed;
    }
  }

  #isRead(page: number): boolean {
    return this.#inFlight.some(({ pages }) => pages.has(page));
  }

  #computeRow({ plan, result, row }: RowOfPlan, written: Set<number>): void {
    const slot = this.#slot(at(plan.row_slot, row));
    const offset = at(plan.row_token_offset, row);
    const count = at(plan.row_n_tokens, row);
    const first = at(plan.row_first_pos, row);
    assert(first + count <= this.info.contextTokens, `positions up to ${first + count}`);
    const adapterSlot = at(plan.row_adapter, row);
    assert(this.#adapters.isSet(adapterSlot), `adapter slot ${adapterSlot} is not set`);
    const rowPages = new Set<number>();
    for (let i = 0; i < count; i++) {
      const token = offset === FROM_DEVICE ? slot.lastToken : at(plan.token, offset + i);
      assert(token >= 0 && token < this.info.vocabSize, `token ${token}`);
      const seen = this.#adapters.see(adapterSlot, token);
      for (const page of this.#pages.write(slot.tables, first + i, seen)) rowPages.add(page);
      this.#pool(at(plan.row_slot, row), first + i + 1);
    }
    for (const page of rowPages) {
      assert(!written.has(page), `page ${page} is written by two rows`);
      written.add(page);
    }
    if (offset !== FROM_DEVICE) this.hostTokensComputed += count;
    result.result_row[row] = row;
    result.result_n_out[row] = at(plan.row_n_logit_rows, row);
    result.result_offset[row] = 0;
    const maskSlot = at(plan.row_mask_slot, row);
    if (result.result_n_out[row] === 1)
      this.#sampleRow({ result, row, slot, maskSlot }, first + count);
  }

  #pool(slot: number, contextTokens: number): void {
    if (!this.#embeddings.pools(slot)) return;
    const context = this.#pages.readContext(this.#slot(slot).tables, contextTokens);
    this.#embeddings.add(slot, nextToken(context, { vocabSize: 2 ** 31, salt: 0 }));
  }

  #sampleRow({ result, row, slot, maskSlot }: SampledRow, contextTokens: number): void {
    const context = this.#readsContext ? this.#pages.readContext(slot.tables, contextTokens) : [];
    slot.lastToken = nextToken(context, { vocabSize: this.info.vocabSize, salt: slot.salt });
    if (maskSlot !== NONE) slot.lastToken = this.#masks.firstAllowed(maskSlot, slot.lastToken);
    result.result_n_out[row] = slot.lastToken === NONE ? 0 : 1;
    const at = result.header[RESULT_HEADER.tokens] ?? 0;
    result.result_offset[row] = at;
    result.result_token[at] = slot.lastToken;
    result.header[RESULT_HEADER.tokens] = at + 1;
    this.tokensSampled += 1;
  }

  #pagesOfRow(plan: PlanViews, row: number): number[] {
    const first = at(plan.row_first_pos, row);
    const span = { first, end: first + at(plan.row_n_tokens, row) };
    const kvPages = this.#pages.pagesOf(this.#slot(at(plan.row_slot, row)).tables, span);
    return [...kvPages, ...this.#adapters.pagesOf(at(plan.row_adapter, row))];
  }

  #slot(index: number): Slot {
    const slot = this.#slots[index];
    assert(slot !== undefined, `slot ${index} of ${this.info.slotCount}`);
    return slot;
  }
}
