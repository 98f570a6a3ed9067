// Owns what a simulated engine remembers between steps: page tables and samplers of slots, and in place of KV one hash
// of the whole context per position of a page. So a token depends on all before it as found through the pages, and a
// page that was given away too early changes what a request says. Invariant: a refused plan changes nothing.
import { assert } from "@fairlane/base";
import type { KvGroup } from "./engine.ts";
import {
  BIAS_PER_SLOT_MAX,
  NONE,
  PLAN_HEADER,
  STEP_LAYOUT_VERSION,
  TOP_LOGPROBS_MAX,
  type PlanViews,
  type StepCapacity,
} from "./step-layout.ts";
import { POOLING } from "./slot-embeddings.ts";

/** StepStatus of native/core/step_layout.h. */
export const STEP_STATUS = {
  ok: 0,
  badVersion: 1,
  badCount: 2,
  badSlot: 3,
  badPage: 4,
  badRow: 5,
  badToken: 6,
  unmapped: 7,
  badSampling: 8,
  badAdapter: 9,
} as const;

/** Why a plan is refused, and the row or update at which. */
export interface PlanCheck {
  readonly status: number;
  readonly at: number;
}

export const PLAN_OK: PlanCheck = { status: STEP_STATUS.ok, at: NONE };

export interface PageEntry {
  readonly page: number;
  readonly firstPosition: number;
  /** Tokens from the page's start that were computed. */
  nValid: number;
}

export interface SimulatedSlot {
  /** Entries by KV group. */
  readonly tables: PageEntry[][];
  nextPosition: number;
  lastToken: number;
  /** 0 when greedy, else mixed from the seed. */
  salt: number;
}

export interface MemoryOptions {
  readonly slotCount: number;
  readonly pageCount: number;
  readonly pageTokens: number;
  readonly kvGroups: readonly Pick<KvGroup, "windowTokens">[];
  readonly contextTokens: number;
  /** Token ids are below. */
  readonly vocabSize: number;
  readonly capacity: StepCapacity;
}

export class SimulatedMemory {
  readonly #options: MemoryOptions;
  readonly #slots: SimulatedSlot[];
  /** [pageCount, pageTokens] */
  readonly hashes: Int32Array;
  /** Slots as they were before the plan that is being applied. */
  readonly #saved = new Map<number, SimulatedSlot>();

  constructor(options: MemoryOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.slotCount }, () => this.#emptySlot());
    this.hashes = new Int32Array(options.pageCount * options.pageTokens);
  }

  /** Undefined where there is no such slot. */
  slot(index: number): SimulatedSlot | undefined {
    return this.#slots[index];
  }

  hashAt(page: number, offset: number): number {
    return this.hashes[page * this.#options.pageTokens + offset] ?? 0;
  }

  setHash(at: { readonly page: number; readonly offset: number }, hash: number): void {
    this.hashes[at.page * this.#options.pageTokens + at.offset] = hash;
  }

  /** Copies pages out: their hashes, one page after another. */
  exportPages(pages: Int32Array, canonical: Uint8Array): void {
    this.#forEachPage(pages, canonical, (page, bytes) => bytes.set(this.#bytesOf(page)));
  }

  /** Copies pages in. */
  importPages(pages: Int32Array, canonical: Uint8Array): void {
    this.#forEachPage(pages, canonical, (page, bytes) => this.#bytesOf(page).set(bytes));
  }

  #forEachPage(
    pages: Int32Array,
    canonical: Uint8Array,
    move: (page: number, bytes: Uint8Array) => void,
  ): void {
    const pageBytes = this.#options.pageTokens * this.hashes.BYTES_PER_ELEMENT;
    assert(canonical.length === pages.length * pageBytes, `${canonical.length} bytes to move`);
    pages.forEach((page, at) => {
      assert(page >= 0 && page < this.#options.pageCount, `page ${page} does not exist`);
      move(page, canonical.subarray(at * pageBytes, (at + 1) * pageBytes));
    });
  }

  #bytesOf(page: number): Uint8Array {
    const pageBytes = this.#options.pageTokens * this.hashes.BYTES_PER_ELEMENT;
    return new Uint8Array(this.hashes.buffer, page * pageBytes, pageBytes);
  }

  /** Applies a plan's resets, pages and sampling parameters, and checks its biases, until `undo` or the next plan. */
  apply(plan: PlanViews): PlanCheck {
    this.#saved.clear();
    const count = (word: number): number => plan.header[word] ?? 0;
    const header = this.#checkHeader(plan);
    if (header.status !== STEP_STATUS.ok) return header;
    for (let i = 0; i < count(PLAN_HEADER.slotResets); i++) {
      const index = plan.slot_reset[i] ?? NONE;
      if (!this.#save(index)) return { status: STEP_STATUS.badSlot, at: i };
      this.#slots[index] = this.#emptySlot();
    }
    for (let i = 0; i < count(PLAN_HEADER.pageUpdates); i++) {
      const check = this.#applyPage(plan, i);
      if (check.status !== STEP_STATUS.ok) return check;
    }
    for (let i = 0; i < count(PLAN_HEADER.samplingUpdates); i++) {
      const check = this.#applySampling(plan, i);
      if (check.status !== STEP_STATUS.ok) return check;
    }
    const biases = this.#checkBiases(plan);
    return biases.status === STEP_STATUS.ok ? this.#checkCopies(plan) : biases;
  }

  /** Copies the plan's pages. The plan has been checked. */
  copyPages(plan: PlanViews): void {
    const { pageTokens } = this.#options;
    for (let i = 0; i < (plan.header[PLAN_HEADER.pageCopies] ?? 0); i++) {
      const source = (plan.copy_src_page[i] ?? NONE) * pageTokens;
      const target = (plan.copy_dst_page[i] ?? NONE) * pageTokens;
      this.hashes.copyWithin(target, source, source + pageTokens);
    }
  }

  /** Takes back what the last plan changed. */
  undo(): void {
    for (const [index, slot] of this.#saved) this.#slots[index] = slot;
    this.#saved.clear();
  }

  #checkHeader({ header }: PlanViews): PlanCheck {
    const { capacity } = this.#options;
    const version = header[PLAN_HEADER.version];
    if (version !== STEP_LAYOUT_VERSION) return { status: STEP_STATUS.badVersion, at: NONE };
    const counts: readonly (readonly [word: number, max: number])[] = [
      [PLAN_HEADER.rows, capacity.rows],
      [PLAN_HEADER.tokens, capacity.tokens],
      [PLAN_HEADER.pageUpdates, capacity.page_updates],
      [PLAN_HEADER.samplingUpdates, capacity.sampling_updates],
      [PLAN_HEADER.slotResets, capacity.slot_resets],
      [PLAN_HEADER.biasUpdates, capacity.bias_updates],
      [PLAN_HEADER.pageCopies, capacity.copied_pages],
    ];
    const fits = counts.every(([word, max]) => {
      const count = header[word] ?? NONE;
      return count >= 0 && count <= max;
    });
    return fits ? PLAN_OK : { status: STEP_STATUS.badCount, at: NONE };
  }

  #applyPage(plan: PlanViews, i: number): PlanCheck {
    const { pageCount, pageTokens, contextTokens } = this.#options;
    const index = plan.page_slot[i] ?? NONE;
    if (!this.#save(index)) return { status: STEP_STATUS.badSlot, at: i };
    const entries = this.#slots[index]?.tables[plan.page_kv_group[i] ?? NONE];
    const [at, page, first, nValid] = [
      plan.page_entry[i] ?? NONE,
      plan.page_id[i] ?? NONE,
      plan.page_first_pos[i] ?? NONE,
      plan.page_n_valid[i] ?? NONE,
    ];
    const badPage = { status: STEP_STATUS.badPage, at: i };
    if (entries === undefined || at < 0 || at > entries.length) return badPage;
    const pageFits = page >= 0 && page < pageCount;
    const positionsFit = first >= 0 && nValid >= 0 && nValid <= pageTokens;
    if (!pageFits || !positionsFit || first + Math.max(1, nValid) > contextTokens) return badPage;
    entries[at] = { page, firstPosition: first, nValid };
    return PLAN_OK;
  }

  #applySampling(plan: PlanViews, i: number): PlanCheck {
    const index = plan.sampling_slot[i] ?? NONE;
    if (!this.#save(index)) return { status: STEP_STATUS.badSlot, at: i };
    const slot = this.#slots[index];
    if (slot === undefined || !isSamplingValid(plan, i)) {
      return { status: STEP_STATUS.badSampling, at: i };
    }
    const seed = mix(plan.sampling_seed_lo[i] ?? 0, plan.sampling_seed_hi[i] ?? 0);
    slot.salt = plan.sampling_temperature[i] === 0 ? 0 : seed;
    return PLAN_OK;
  }

  // There are no logits to add them to.
  #checkBiases(plan: PlanViews): PlanCheck {
    let slotBiasCount = 0;
    for (let i = 0; i < (plan.header[PLAN_HEADER.biasUpdates] ?? 0); i++) {
      const [slot, token] = [plan.bias_slot[i] ?? NONE, plan.bias_token[i] ?? NONE];
      const value = plan.bias_value[i] ?? NaN;
      slotBiasCount = i > 0 && plan.bias_slot[i - 1] === slot ? slotBiasCount + 1 : 1;
      if (this.#slots[slot] === undefined) return { status: STEP_STATUS.badSlot, at: i };
      if (token < 0 || token >= this.#options.vocabSize) {
        return { status: STEP_STATUS.badToken, at: i };
      }
      if (!(value < Infinity) || slotBiasCount > BIAS_PER_SLOT_MAX) {
        return { status: STEP_STATUS.badSampling, at: i };
      }
    }
    return PLAN_OK;
  }

  // A page that is written is written once and never read.
  #checkCopies(plan: PlanViews): PlanCheck {
    const count = plan.header[PLAN_HEADER.pageCopies] ?? 0;
    const isPage = (page = NONE): boolean => page >= 0 && page < this.#options.pageCount;
    const taken = new Set(plan.copy_src_page.subarray(0, count));
    for (let i = 0; i < count; i++) {
      if (!isPage(plan.copy_src_page[i]) || !isPage(plan.copy_dst_page[i])) {
        return { status: STEP_STATUS.badPage, at: i };
      }
    }
    for (let i = 0; i < count; i++) {
      const target = plan.copy_dst_page[i] ?? NONE;
      if (taken.has(target)) return { status: STEP_STATUS.badPage, at: i };
      taken.add(target);
    }
    return PLAN_OK;
  }

  /** Keeps a copy for `undo` and lets the slot be changed; false when there is none. */
  #save(index: number): boolean {
    const slot = this.#slots[index];
    if (slot === undefined) return false;
    if (this.#saved.has(index)) return true;
    this.#saved.set(index, slot);
    this.#slots[index] = { ...slot, tables: slot.tables.map((entries) => [...entries]) };
    return true;
  }

  #emptySlot(): SimulatedSlot {
    const tables = this.#options.kvGroups.map(() => []);
    return { tables, nextPosition: 0, lastToken: NONE, salt: 0 };
  }
}

/** As the native core judges; a factor that a plan leaves at 0 is off. */
function isSamplingValid(plan: PlanViews, i: number): boolean {
  const isFraction = (value: number): boolean => value > 0 && value <= 1;
  const temperature = plan.sampling_temperature[i] ?? NaN;
  const minP = plan.sampling_min_p[i] ?? NaN;
  const typicalP = plan.sampling_typical_p[i] ?? NaN;
  const repetition = plan.sampling_repetition_penalty[i] ?? NaN;
  const topLogprobs = plan.sampling_top_logprobs[i] ?? NONE;
  return (
    Number.isFinite(temperature) &&
    temperature >= 0 &&
    isFraction(plan.sampling_top_p[i] ?? NaN) &&
    (plan.sampling_top_k[i] ?? NONE) >= 0 &&
    minP >= 0 &&
    minP <= 1 &&
    (typicalP === 0 || isFraction(typicalP)) &&
    Number.isFinite(repetition) &&
    repetition >= 0 &&
    Number.isFinite(plan.sampling_presence_penalty[i]) &&
    Number.isFinite(plan.sampling_frequency_penalty[i]) &&
    (plan.sampling_pooling[i] ?? NONE) >= POOLING.none &&
    (plan.sampling_pooling[i] ?? NONE) <= POOLING.mean &&
    topLogprobs >= 0 &&
    topLogprobs <= TOP_LOGPROBS_MAX
  );
}

/** A hash of two 32-bit words in which every bit of the result depends on every bit of both. */
export function mix(hash: number, word: number): number {
  let mixed = Math.imul(hash ^ Math.imul(word + 0x7f4a_7c15, 0x9e37_79b1), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}
