// Owns the proof that pages are conserved: every page is free, quarantined or used, once, and a used page has as
// many references as tables hold it. Run when the node is idle and after every test. O(pages).
import { assert } from "@fairlane/base";
import type { PagePool } from "./page-pool.ts";

/** What holds one reference of each page of its entries: a block table, the prefix cache. */
export interface PageHolder {
  readonly entries: readonly { readonly page: number }[];
}

/**
 * Throws AssertionError at the first page whose books are wrong.
 * @param tables the page tables of all running requests, and the cache
 */
export function checkPoolIntegrity(pool: PagePool, tables: Iterable<PageHolder>): void {
  const { pageCount, freePages, quarantinedPages, usedCount, referenceCounts } = pool.snapshot();
  const holders = new Int32Array(pageCount);
  for (const table of tables) {
    for (const { page } of table.entries) holders[page] = (holders[page] ?? 0) + 1;
  }
  const isIdle = new Uint8Array(pageCount);
  for (const page of [...freePages, ...quarantinedPages]) {
    assert(page >= 0 && page < pageCount, `page ${page} is outside of the pool of ${pageCount}`);
    assert(isIdle[page] === 0, `page ${page} is free or quarantined twice`);
    isIdle[page] = 1;
  }
  for (let page = 0; page < pageCount; page++) {
    const references = referenceCounts[page] ?? -1;
    const held = holders[page] ?? -1;
    assert(references === held, `page ${page} has ${references} references and ${held} holders`);
    assert((references === 0) === (isIdle[page] === 1), `page ${page} is lost or freed in use`);
  }
  const counted = freePages.length + quarantinedPages.length + usedCount;
  assert(counted === pageCount, `${counted} pages are accounted for, the pool has ${pageCount}`);
}
