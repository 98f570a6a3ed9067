// Owns what a simulated engine remembers between steps: page tables and samplers of slots, and in place of KV one hash
// of the whole context per position of a page. So a token depends on all before it as found through the pages, and a
// page that was given away too early changes what a request says. Invariant: a refused plan changes nothing.
import {
  NONE,
  PLAN_HEADER,
  STEP_LAYOUT_VERSION,
  type PlanViews,
  type StepCapacity,
} from "./step-layout.ts";

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
  readonly entries: PageEntry[];
  nextPosition: number;
  lastToken: number;
  /** 0 when greedy, else mixed from the seed. */
  salt: number;
}

export interface MemoryOptions {
  readonly slotCount: number;
  readonly pageCount: number;
  readonly pageTokens: number;
  readonly contextTokens: number;
  readonly capacity: StepCapacity;
}

export class SimulatedMemory {
  readonly #options: MemoryOptions;
  readonly #slots: SimulatedSlot[];
  /** [pageCount, pageTokens] */
  readonly #hashes: Int32Array;
  /** Slots as they were before the plan that is being applied. */
  readonly #saved = new Map<number, SimulatedSlot>();

  constructor(options: MemoryOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.slotCount }, emptySlot);
    this.#hashes = new Int32Array(options.pageCount * options.pageTokens);
  }

  /** Undefined where there is no such slot. */
  slot(index: number): SimulatedSlot | undefined {
    return this.#slots[index];
  }

  hashAt(page: number, offset: number): number {
    return this.#hashes[page * this.#options.pageTokens + offset] ?? 0;
  }

  setHash(at: { readonly page: number; readonly offset: number }, hash: number): void {
    this.#hashes[at.page * this.#options.pageTokens + at.offset] = hash;
  }

  /** Applies a plan's resets, pages and sampling parameters, until `undo` or the next plan. */
  apply(plan: PlanViews): PlanCheck {
    this.#saved.clear();
    const count = (word: number): number => plan.header[word] ?? 0;
    const header = this.#checkHeader(plan);
    if (header.status !== STEP_STATUS.ok) return header;
    for (let i = 0; i < count(PLAN_HEADER.slotResets); i++) {
      const index = plan.slot_reset[i] ?? NONE;
      if (!this.#save(index)) return { status: STEP_STATUS.badSlot, at: i };
      this.#slots[index] = emptySlot();
    }
    for (let i = 0; i < count(PLAN_HEADER.pageUpdates); i++) {
      const check = this.#applyPage(plan, i);
      if (check.status !== STEP_STATUS.ok) return check;
    }
    for (let i = 0; i < count(PLAN_HEADER.samplingUpdates); i++) {
      const check = this.#applySampling(plan, i);
      if (check.status !== STEP_STATUS.ok) return check;
    }
    return PLAN_OK;
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
    const entries = this.#slots[index]?.entries ?? [];
    const [at, page, first, nValid] = [
      plan.page_entry[i] ?? NONE,
      plan.page_id[i] ?? NONE,
      plan.page_first_pos[i] ?? NONE,
      plan.page_n_valid[i] ?? NONE,
    ];
    const entryFits = at >= 0 && at <= entries.length;
    const pageFits = page >= 0 && page < pageCount && plan.page_kv_group[i] === 0;
    const positionsFit = first >= 0 && nValid >= 0 && nValid <= pageTokens;
    if (!entryFits || !pageFits || !positionsFit || first + Math.max(1, nValid) > contextTokens) {
      return { status: STEP_STATUS.badPage, at: i };
    }
    entries[at] = { page, firstPosition: first, nValid };
    return PLAN_OK;
  }

  #applySampling(plan: PlanViews, i: number): PlanCheck {
    const index = plan.sampling_slot[i] ?? NONE;
    if (!this.#save(index)) return { status: STEP_STATUS.badSlot, at: i };
    const [temperature = NaN, topP = NaN] = [plan.sampling_temperature[i], plan.sampling_top_p[i]];
    const isValid = Number.isFinite(temperature) && temperature >= 0 && topP > 0 && topP <= 1;
    const slot = this.#slots[index];
    if (slot === undefined || !isValid || (plan.sampling_top_k[i] ?? NONE) < 0) {
      return { status: STEP_STATUS.badSampling, at: i };
    }
    const seed = mix(plan.sampling_seed_lo[i] ?? 0, plan.sampling_seed_hi[i] ?? 0);
    slot.salt = temperature === 0 ? 0 : seed;
    return PLAN_OK;
  }

  /** Keeps a copy for `undo` and lets the slot be changed; false when there is none. */
  #save(index: number): boolean {
    const slot = this.#slots[index];
    if (slot === undefined) return false;
    if (this.#saved.has(index)) return true;
    this.#saved.set(index, slot);
    this.#slots[index] = { ...slot, entries: [...slot.entries] };
    return true;
  }
}

function emptySlot(): SimulatedSlot {
  return { entries: [], nextPosition: 0, lastToken: NONE, salt: 0 };
}

/** A hash of two 32-bit words in which every bit of the result depends on every bit of both. */
export function mix(hash: number, word: number): number {
  let mixed = Math.imul(hash ^ Math.imul(word + 0x7f4a_7c15, 0x9e37_79b1), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}
