// Owns the moving of the check engine's pages to and from their canonical form, which is the tokens as they lie, and
// which pages came in that way. Invariant: nothing is moved into a page that a step in flight has.
import { assert } from "@fairlane/base";
import type { PageMove } from "../../engine/engine.ts";

export class MovedPages {
  readonly #pages: Int32Array;
  readonly #pageTokens: number;
  readonly #isInFlight: (page: number) => boolean;
  readonly #imported = new Set<number>();

  constructor(pages: Int32Array, pageTokens: number, isInFlight: (page: number) => boolean) {
    this.#pages = pages;
    this.#pageTokens = pageTokens;
    this.#isInFlight = isInFlight;
  }

  get pageBytes(): number {
    return this.#pageTokens * Int32Array.BYTES_PER_ELEMENT;
  }

  exportPages(move: PageMove): void {
    this.#move(move, (page, bytes) => bytes.set(page));
  }

  importPages(move: PageMove): void {
    for (const page of move.pages) {
      assert(!this.#isInFlight(page), `page ${page} is written to while a step has it`);
      this.#imported.add(page);
    }
    this.#move(move, (page, bytes) => page.set(bytes));
  }

  /** True once for a page that was imported and is mapped now. */
  takeImported(page: number): boolean {
    return this.#imported.delete(page);
  }

  #move({ pages, canonical }: PageMove, copy: (page: Uint8Array, bytes: Uint8Array) => void): void {
    const { pageBytes } = this;
    assert(canonical.length === pages.length * pageBytes, `${canonical.length} bytes to move`);
    pages.forEach((page, at) => {
      const bytes = canonical.subarray(at * pageBytes, (at + 1) * pageBytes);
      copy(new Uint8Array(this.#pages.buffer, page * pageBytes, pageBytes), bytes);
    });
  }
}
