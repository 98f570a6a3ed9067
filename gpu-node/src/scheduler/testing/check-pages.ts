// Owns the page tables and page contents of the check engine: tokens where a real engine has K and V. It asserts what a
// real engine cannot see: nobody writes to a shared page, and all KV groups have the same tokens where they see them.
import { assert } from "@fairlane/base";
import type { EngineInfo } from "../../engine/engine.ts";
import { NONE } from "../../engine/step-layout.ts";

interface Entry {
  readonly page: number;
  /** Full when it came, from the cache: read only. */
  readonly isShared: boolean;
  readonly firstPosition: number;
}

/** Entries of a slot, by KV group. */
export type Tables = readonly Entry[][];

/** Positions first .. end - 1. */
export interface Span {
  readonly first: number;
  readonly end: number;
}

export class CheckPages {
  readonly #info: EngineInfo;
  /** [pageCount, pageTokens] */
  readonly tokens: Int32Array;

  constructor(info: EngineInfo) {
    this.#info = info;
    this.tokens = new Int32Array(info.pageCount * info.pageTokens).fill(NONE);
  }

  emptyTables(): Tables {
    return this.#info.kvGroups.map(() => []);
  }

  /** Appends an entry to a slot's table. */
  map(tables: Tables, update: Entry & { readonly kvGroup: number; readonly index: number }): void {
    const entries = tables[update.kvGroup];
    assert(entries !== undefined, `group ${update.kvGroup}`);
    assert(update.index === entries.length, "page table entries are dense");
    const { page, isShared, firstPosition } = update;
    assert(page >= 0 && page < this.#info.pageCount, `page ${page}`);
    entries.push({ page, isShared, firstPosition });
  }

  /** Writes a token to its place in every group; returns the pages. */
  write(tables: Tables, position: number, token: number): number[] {
    return tables.map((entries) => {
      const entry = this.#entryAt(entries, position);
      assert(!entry.isShared, `page ${entry.page} is shared and written`);
      this.tokens[this.#placeOf(entry, position)] = token;
      return entry.page;
    });
  }

  /** Pages that a row reads or writes. */
  pagesOf(tables: Tables, span: Span): number[] {
    return tables.flatMap((entries, kvGroup) => {
      const seen = this.#firstSeen(kvGroup, span.first);
      const { pageTokens } = this.#info;
      return entries
        .filter(({ firstPosition }) => firstPosition + pageTokens > seen)
        .map(({ page }) => page);
    });
  }

  /** The tokens before `end`, as the group that sees most of them has them; all groups must agree. */
  readContext(tables: Tables, end: number): number[] {
    const contexts = tables.map((entries, kvGroup) => {
      const first = this.#firstSeen(kvGroup, end - 1);
      return Array.from({ length: end - first }, (_, i) => {
        const entry = this.#entryAt(entries, first + i);
        return this.tokens[this.#placeOf(entry, first + i)] ?? NONE;
      });
    });
    const longest = contexts.reduce((a, b) => (b.length > a.length ? b : a));
    for (const context of contexts) {
      const tail = longest.slice(longest.length - context.length);
      assert(context.join() === tail.join(), `a group reads ${context.join()}, not ${tail.join()}`);
    }
    return longest;
  }

  #firstSeen(kvGroup: number, position: number): number {
    const windowTokens = this.#info.kvGroups[kvGroup]?.windowTokens ?? null;
    return windowTokens === null ? 0 : Math.max(0, position - windowTokens + 1);
  }

  #placeOf(entry: Entry, position: number): number {
    return entry.page * this.#info.pageTokens + (position - entry.firstPosition);
  }

  #entryAt(entries: readonly Entry[], position: number): Entry {
    const from = position - (entries[0]?.firstPosition ?? 0);
    const entry = from < 0 ? undefined : entries[Math.floor(from / this.#info.pageTokens)];
    assert(entry !== undefined, `position ${position} is unmapped`);
    return entry;
  }
}
