// Owns the rows of one step, in plan order: which request computes how many tokens from which position. Rows are
// allocated once and reused, so that a step allocates none. Invariants: a request has at most one row, which begins
// where its planned tokens end, and what a row computes is planned from then on.
import { assert, AssertionError } from "@fairlane/base";
import type { RunningRequest } from "../request/request.ts";
import { pairsOfChunk, type StepShape } from "./step-cost-model.ts";

export interface BatchRow {
  readonly request: RunningRequest;
  readonly tokenCount: number;
  readonly firstPosition: number;
  /** The row's last position is sampled: every decode, and the chunk that ends a prefill unless it is pooled. */
  readonly isSampled: boolean;
  /** The request's first row: its slot is cleared and gets its sampling parameters. */
  readonly isFirst: boolean;
  /** The row's token is the slot's last sample, which the host may not know yet. */
  readonly isDecode: boolean;
  /** The request's: kept beside the rest, so that writing a plan reads rows and not requests. */
  readonly slot: number;
  /** What the row samples is held to a grammar. */
  readonly isMasked: boolean;
}

const NO_FLAGS = { isSampled: false, isFirst: false, isDecode: false, isMasked: false } as const;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Batch {
  readonly rowCapacity: number;
  readonly #rows: Mutable<BatchRow>[] = [];
  readonly #shape = { tokens: 0, decodes: 0, decodeContextTokens: 0, chunkPairs: 0 };
  #rowCount = 0;

  constructor(rowCapacity: number) {
    this.rowCapacity = rowCapacity;
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  get decodeCount(): number {
    return this.#shape.decodes;
  }

  /** Tokens computed by all rows. */
  get tokenCount(): number {
    return this.#shape.tokens;
  }

  get prefillTokenCount(): number {
    return this.#shape.tokens - this.#shape.decodes;
  }

  /** What sets the time of the step; changes with every row. */
  get shape(): StepShape {
    return this.#shape;
  }

  row(index: number): BatchRow {
    const row = this.#rows[index];
    // A message is made only when it is needed: these lines run for every row of every step.
    if (row === undefined || index >= this.#rowCount)
      throw new AssertionError(`row ${index} of ${this.#rowCount}`);
    return row;
  }

  clear(): void {
    this.#rowCount = 0;
    this.#shape.tokens = 0;
    this.#shape.decodes = 0;
    this.#shape.decodeContextTokens = 0;
    this.#shape.chunkPairs = 0;
  }

  /** Adds a row that computes the request's last sample and samples the next token. */
  addDecode(request: RunningRequest): void {
    const { spec, prefillTokens, plannedPrefillTokens, plannedOutputTokens } = request;
    if (plannedPrefillTokens !== prefillTokens.length || plannedOutputTokens < 1) {
      throw new AssertionError(
        `${spec.requestId} decodes at ${plannedPrefillTokens} prefill and ${plannedOutputTokens} output tokens`,
      );
    }
    const row = this.#nextRow(request);
    row.tokenCount = 1;
    // The first output token stands right after the prompt.
    row.firstPosition = spec.promptTokens.length + plannedOutputTokens - 1;
    row.isSampled = true;
    row.isFirst = false;
    row.isDecode = true;
    row.isMasked = spec.grammar !== undefined;
    request.plannedOutputTokens += 1;
    this.#shape.tokens += 1;
    this.#shape.decodes += 1;
    this.#shape.decodeContextTokens += row.firstPosition + 1;
  }

  /** Adds a row that computes the next `tokenCount` tokens of the request's prefill. */
  addChunk(request: RunningRequest, tokenCount: number): void {
    const firstPosition = request.plannedPrefillTokens;
    const left = request.prefillTokens.length - firstPosition;
    assert(tokenCount >= 1 && tokenCount <= left, `a chunk of ${tokenCount} of ${left} tokens`);
    const row = this.#nextRow(request);
    row.tokenCount = tokenCount;
    row.firstPosition = firstPosition;
    row.isSampled = tokenCount === left && request.spec.pooling === undefined;
    row.isFirst = firstPosition === request.startPosition;
    row.isDecode = false;
    row.isMasked = row.isSampled && request.spec.grammar !== undefined;
    request.plannedPrefillTokens += tokenCount;
    if (row.isSampled) request.plannedOutputTokens += 1;
    this.#shape.tokens += tokenCount;
    this.#shape.chunkPairs += pairsOfChunk(tokenCount, firstPosition);
  }

  #nextRow(request: RunningRequest): Mutable<BatchRow> {
    if (this.#rowCount >= this.rowCapacity)
      throw new AssertionError(`more than ${this.rowCapacity} rows`);
    let row = this.#rows[this.#rowCount];
    if (row === undefined) {
      row = { request, slot: request.slot, tokenCount: 0, firstPosition: 0, ...NO_FLAGS };
      this.#rows.push(row);
    }
    row.request = request;
    row.slot = request.slot;
    this.#rowCount += 1;
    return row;
  }
}
