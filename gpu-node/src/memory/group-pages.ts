// Owns the pages of one request in one KV group, in the order of their positions, and how many of them the engine has
// been told of. Blocks are runs of pageTokens positions, counted from position 0. It does not choose when to allocate.
// Invariants: entries are dense, entry i begins at the same distance i * pageTokens from the first; each entry holds one
// reference of its page until it is given back, which happens in order: what no query sees any more first.
import { assert, units } from "@fairlane/base";
import type { PagePool } from "./page-pool.ts";

/** One page of a request's context, as the step plan carries it. */
export interface BlockEntry {
  readonly page: number;
  /** Position of the page's first token. */
  readonly firstPosition: number;
  /** Tokens of the page that were valid when it was attached: 0 for a fresh page. */
  readonly nValid: number;
}

/** What of a KV group matters here: the positions that a query sees, its own included; null: all before it. */
export interface GroupWindow {
  readonly windowTokens: number | null;
}

export class GroupPages {
  readonly windowTokens: number | null;
  readonly #pageTokens: number;
  readonly #entries: BlockEntry[] = [];
  /** Block of entry 0. */
  #firstBlock = 0;
  /** Entries before it were given back. */
  #firstHeld = 0;
  #mappedCount = 0;

  constructor(pageTokens: number, { windowTokens }: GroupWindow) {
    this.#pageTokens = pageTokens;
    this.windowTokens = windowTokens;
  }

  /** All entries that there ever were, as the engine's table has them. */
  get entries(): readonly BlockEntry[] {
    return this.#entries;
  }

  /** Entries whose pages were not given back. */
  get held(): readonly BlockEntry[] {
    return this.#firstHeld === 0 ? this.#entries : this.#entries.slice(this.#firstHeld);
  }

  /** Entries, from the first on, that the engine's page table has. */
  get mappedCount(): number {
    return this.#mappedCount;
  }

  /** Positions, from 0 on, that have had a page, or come before the first. */
  get coveredPositions(): number {
    return (this.#firstBlock + this.#entries.length) * this.#pageTokens;
  }

  /** Positions, from 0 on, whose pages the engine's page table has, or that come before its first. */
  get mappedPositions(): number {
    return (this.#firstBlock + this.#mappedCount) * this.#pageTokens;
  }

  /** Entries that positions 0 .. positionCount - 1 need, those of blocks before the first entry left out. */
  entriesFor(positionCount: number): number {
    const blockCount = units.pagesForTokens(positionCount, this.#pageTokens);
    return Math.max(0, blockCount - this.#firstBlock);
  }

  /** Pages that `reserve` would take. */
  lackingPages(positionCount: number): number {
    return Math.max(0, this.entriesFor(positionCount) - this.#entries.length);
  }

  /** True when every block below `blockCount` has an entry, or comes before the first one. */
  hasBlocks(blockCount: number): boolean {
    return this.#firstBlock + this.#entries.length >= blockCount;
  }

  /** The entry of a block; undefined when there is none or its page was given back. */
  entryOf(block: number): BlockEntry | undefined {
    const index = block - this.#firstBlock;
    return index < this.#firstHeld ? undefined : this.#entries[index];
  }

  /** Leaves out the blocks before `block`: no query will see them. */
  beginAt(block: number): void {
    assert(this.#entries.length === 0, "a request's pages begin once");
    this.#firstBlock = block;
  }

  /** Appends a full page that others may share, and holds a reference of it. */
  attach(pool: PagePool, page: number, block: number): void {
    const next = this.#firstBlock + this.#entries.length;
    assert(block === next, `block ${block} attached where block ${next} is due`);
    pool.retain(page);
    const firstPosition = block * this.#pageTokens;
    this.#entries.push({ page, firstPosition, nValid: this.#pageTokens });
  }

  /** Appends a fresh page, `nValid` tokens of which will have been copied into it before it is read. */
  append(pool: PagePool, nValid = 0): BlockEntry {
    const block = this.#firstBlock + this.#entries.length;
    const entry = { page: pool.allocate("kv"), firstPosition: block * this.#pageTokens, nValid };
    this.#entries.push(entry);
    return entry;
  }

  /** Allocates fresh pages until positions 0 .. positionCount - 1 have had one. */
  reserve(pool: PagePool, positionCount: number): void {
    const entryCount = this.entriesFor(positionCount);
    while (this.#entries.length < entryCount) this.append(pool);
  }

  /** Notes that positions 0 .. positionCount - 1 were copied into the pages that the engine was not told of yet. */
  noteFilled(positionCount: number): void {
    for (let index = this.#mappedCount; index < this.#entries.length; index++) {
      const entry = this.#entries[index];
      const filled = positionCount - (entry?.firstPosition ?? positionCount);
      if (entry === undefined || filled <= entry.nValid) continue;
      this.#entries[index] = { ...entry, nValid: Math.min(this.#pageTokens, filled) };
    }
  }

  /** Gives back what no query at `position` or later sees. */
  slideTo(pool: PagePool, position: number): void {
    if (this.windowTokens === null) return;
    const firstSeen = position - this.windowTokens + 1;
    for (;;) {
      const entry = this.#entries[this.#firstHeld];
      if (entry === undefined || entry.firstPosition + this.#pageTokens > firstSeen) return;
      pool.release(entry.page);
      this.#firstHeld += 1;
    }
  }

  /** Notes that the engine is told of the first `count` entries. */
  markMapped(count: number): void {
    assert(
      count >= this.#mappedCount && count <= this.#entries.length,
      `${count} entries mapped, had ${this.#mappedCount} of ${this.#entries.length}`,
    );
    this.#mappedCount = count;
  }

  /** Gives every page back. */
  release(pool: PagePool): void {
    for (const { page } of this.held) pool.release(page);
    this.#entries.length = 0;
    this.#firstHeld = 0;
    this.#mappedCount = 0;
  }
}
