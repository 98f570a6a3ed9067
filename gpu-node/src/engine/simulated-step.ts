// Owns the execution of one plan by a simulated engine: checks the rows as a real engine does, writes their tokens into
// the pages, samples, and measures the step's shape for the cost model. Time is simulated-engine.ts's. Invariant: a
// refused plan leaves the memory as it was.
import type { StepShape } from "../scheduler/step-cost-model.ts";
import { pairsOfChunk } from "../scheduler/step-cost-model.ts";
import { placesOf, writeTokens, type Place } from "./simulated-context.ts";
import {
  mix,
  PLAN_OK,
  STEP_STATUS,
  type MemoryOptions,
  type PlanCheck,
  type SimulatedMemory,
  type SimulatedSlot,
} from "./simulated-memory.ts";
import {
  FROM_DEVICE,
  NONE,
  PLAN_HEADER,
  RESULT_HEADER,
  STEP_LAYOUT_VERSION,
  type PlanViews,
  type ResultViews,
} from "./step-layout.ts";
import type { SimulatedAdapters } from "./simulated-adapters.ts";
import type { SimulatedEmbeddings } from "./simulated-embeddings.ts";
import type { TokenMasks } from "./token-masks.ts";

/** A row that passed its checks. */
interface CheckedRow {
  readonly slot: SimulatedSlot;
  readonly firstPosition: number;
  readonly tokenCount: number;
  readonly tokenOffset: number;
  readonly isSampled: boolean;
  /** Of the tokens that may be sampled; NONE allows all. */
  readonly maskSlot: number;
  /** NONE without. */
  readonly adapterSlot: number;
}

/** Places of a row's tokens, by KV group. */
type RowPlaces = readonly (readonly Place[])[];

export class SimulatedStep {
  readonly #options: MemoryOptions;
  readonly #memory: SimulatedMemory;
  readonly #masks: TokenMasks;
  readonly #embeddings: SimulatedEmbeddings;
  readonly #adapters: SimulatedAdapters;

  constructor(
    options: MemoryOptions,
    parts: {
      readonly memory: SimulatedMemory;
      readonly masks: TokenMasks;
      readonly embeddings: SimulatedEmbeddings;
      readonly adapters: SimulatedAdapters;
    },
  ) {
    this.#options = options;
    this.#memory = parts.memory;
    this.#masks = parts.masks;
    this.#embeddings = parts.embeddings;
    this.#adapters = parts.adapters;
  }

  /** Computes the plan into `result`; the shape is null when the plan was refused. */
  run(plan: PlanViews, result: ResultViews): StepShape | null {
    const { header } = result;
    header.fill(0);
    header[RESULT_HEADER.version] = STEP_LAYOUT_VERSION;
    header[RESULT_HEADER.stepId] = plan.header[PLAN_HEADER.stepId] ?? 0;
    header[RESULT_HEADER.badRow] = NONE;
    const rows: CheckedRow[] = [];
    const places: RowPlaces[] = [];
    let check = this.#memory.apply(plan);
    if (check.status === STEP_STATUS.ok) check = this.#checkRows(plan, rows, places);
    if (check.status !== STEP_STATUS.ok) {
      this.#memory.undo();
      header[RESULT_HEADER.status] = check.status;
      header[RESULT_HEADER.badRow] = check.at;
      return null;
    }
    header[RESULT_HEADER.rows] = rows.length;
    this.#memory.copyPages(plan);
    this.#embeddings.begin(plan);
    rows.forEach((row, index) => {
      const hash = this.#writeTokens(plan, row, places[index] ?? []);
      this.#pool(plan.row_slot[index] ?? NONE, places[index] ?? []);
      result.result_row[index] = index;
      result.result_n_out[index] = 0;
      result.result_offset[index] = header[RESULT_HEADER.tokens] ?? 0;
      if (row.isSampled) result.result_n_out[index] = this.#sample(result, row, hash);
    });
    return shapeOf(rows);
  }

  #checkRows(plan: PlanViews, rows: CheckedRow[], places: RowPlaces[]): PlanCheck {
    const [slots, pages] = [new Set<SimulatedSlot>(), new Set<number>()];
    let tokensLeft = this.#options.capacity.tokens;
    for (let at = 0; at < (plan.header[PLAN_HEADER.rows] ?? 0); at++) {
      const row = this.#checkRow(plan, at);
      if (typeof row === "number") return { status: row, at };
      if (slots.has(row.slot) || row.tokenCount > tokensLeft) {
        return { status: STEP_STATUS.badRow, at };
      }
      slots.add(row.slot);
      tokensLeft -= row.tokenCount;
      const placed = this.#placeRow(row, pages);
      if (typeof placed === "number") return { status: placed, at };
      rows.push(row);
      places.push(placed);
    }
    return PLAN_OK;
  }

  /** The row, or the status that refuses it. */
  #checkRow(plan: PlanViews, at: number): CheckedRow | number {
    const { contextTokens, vocabSize } = this.#options;
    const slot = this.#memory.slot(plan.row_slot[at] ?? NONE);
    if (slot === undefined) return STEP_STATUS.badSlot;
    const tokenCount = plan.row_n_tokens[at] ?? 0;
    const tokenOffset = plan.row_token_offset[at] ?? NONE;
    const planned = plan.row_first_pos[at] ?? NONE;
    const firstPosition = planned === FROM_DEVICE ? slot.nextPosition : planned;
    const logitRows = plan.row_n_logit_rows[at] ?? NONE;
    const adapterSlot = plan.row_adapter[at] ?? NONE;
    if (!this.#adapters.isSet(adapterSlot)) return STEP_STATUS.badAdapter;
    const isPlain = plan.row_draft_len[at] === 0 && (logitRows & ~1) === 0;
    const fits = firstPosition >= 0 && firstPosition + tokenCount <= contextTokens;
    const maskSlot = plan.row_mask_slot[at] ?? NONE;
    const hasMask = maskSlot === NONE || this.#masks.has(maskSlot);
    if (!isPlain || !hasMask || tokenCount < 1 || !fits) return STEP_STATUS.badRow;
    const samples = { isSampled: logitRows === 1, maskSlot };
    const row = { slot, firstPosition, tokenCount, tokenOffset, adapterSlot, ...samples };
    if (tokenOffset === FROM_DEVICE) {
      return slot.lastToken !== NONE && tokenCount === 1 ? row : STEP_STATUS.badRow;
    }
    const hostTokens = plan.header[PLAN_HEADER.tokens] ?? 0;
    if (tokenOffset < 0 || tokenOffset + tokenCount > hostTokens) return STEP_STATUS.badRow;
    for (let i = 0; i < tokenCount; i++) {
      const token = plan.token[tokenOffset + i] ?? NONE;
      if (token < 0 || token >= vocabSize) return STEP_STATUS.badToken;
    }
    return row;
  }

  /** Where the row's tokens go; a status when they have no place, or one in a page that another row writes. */
  #placeRow(row: CheckedRow, pages: Set<number>): RowPlaces | number {
    const placed: Place[][] = [];
    for (const entries of row.slot.tables) {
      const places = placesOf(entries, row, this.#options.pageTokens);
      if (places === null) return STEP_STATUS.unmapped;
      const ownPages = new Set(places.map(({ entry }) => entry.page));
      if (!pages.isDisjointFrom(ownPages)) return STEP_STATUS.badPage;
      for (const page of ownPages) pages.add(page);
      placed.push(places);
    }
    return placed;
  }

  /** Appends the row's tokens to its context; returns the hash of all of it. */
  #writeTokens(plan: PlanViews, row: CheckedRow, places: RowPlaces): number {
    const { slot, tokenOffset, firstPosition, tokenCount, adapterSlot } = row;
    const isOwn = tokenOffset === FROM_DEVICE;
    const tokenAt = (i: number): number =>
      this.#adapters.see(
        adapterSlot,
        isOwn ? slot.lastToken : (plan.token[tokenOffset + i] ?? NONE),
      );
    let all = 0;
    this.#options.kvGroups.forEach(({ windowTokens }, index) => {
      const group = {
        entries: slot.tables[index] ?? [],
        places: places[index] ?? [],
        windowTokens,
      };
      const hash = writeTokens(this.#memory, group, { firstPosition, tokenAt });
      all = index === 0 ? hash : mix(all, hash);
    });
    slot.nextPosition = firstPosition + tokenCount;
    return all;
  }

  /** Adds a row's positions to the embedding of its slot; the first group says what each has seen. */
  #pool(slot: number, [places = []]: RowPlaces): void {
    if (!this.#embeddings.pools(slot)) return;
    for (const { entry, offset } of places) {
      this.#embeddings.add(slot, this.#memory.hashAt(entry.page, offset));
    }
  }

  /** Draws a token; returns how many there are, 0 when the mask leaves none. */
  #sample(result: ResultViews, { slot, maskSlot }: CheckedRow, hash: number): 0 | 1 {
    const { vocabSize } = this.#options;
    const drawn = mix(hash, slot.salt) >>> 0;
    slot.lastToken = drawn % vocabSize;
    if (maskSlot !== NONE) {
      slot.lastToken = this.#masks.firstAllowed(maskSlot, slot.lastToken);
    }
    const at = result.header[RESULT_HEADER.tokens] ?? 0;
    result.result_token[at] = slot.lastToken;
    // Better than a blind guess and worse than certain, as a model's are.
    result.result_logprob[at] = -Math.log(vocabSize) * (0.05 + (0.9 * drawn) / 2 ** 32);
    result.header[RESULT_HEADER.tokens] = at + 1;
    return slot.lastToken === NONE ? 0 : 1;
  }
}

function shapeOf(rows: readonly CheckedRow[]): StepShape {
  let [tokens, decodes, decodeContextTokens, chunkPairs] = [0, 0, 0, 0];
  for (const { firstPosition, tokenCount, tokenOffset } of rows) {
    tokens += tokenCount;
    if (tokenOffset === FROM_DEVICE) {
      decodes += 1;
      decodeContextTokens += firstPosition + 1;
    } else {
      chunkPairs += pairsOfChunk(tokenCount, firstPosition);
    }
  }
  return { tokens, decodes, decodeContextTokens, chunkPairs };
}
