// Owns the adapters of engines that compute no model: an adapter is a hash of its spec, written all over its pages, and
// what a row says depends on that hash as read back through the pages. So a wrong adapter, one that is gone and a page
// that was given away too early all change what a request says. Invariant: a slot changes only while no submitted step
// names it.
import { assert } from "@fairlane/base";
import {
  AdapterError,
  LORA_MODULES,
  LORA_RANK_MAX,
  type AdapterModuleSpec,
  type AdapterSpec,
  type PackedAdapter,
} from "./adapter-spec.ts";
import type { PageImages, PlacedAdapter } from "./engine.ts";
import { mix } from "./simulated-memory.ts";
import { NONE, PLAN_HEADER, type PlanViews } from "./step-layout.ts";

/** As much rank as a page of a small model holds, so that adapters of several sizes are of several pages. */
const RANKS_PER_PAGE = 32;
const WORD_BYTES = Int32Array.BYTES_PER_ELEMENT;

/** The pages of the engine, as 32-bit words. */
export interface AdapterPages {
  readonly pageCount: number;
  readonly pageWords: number;
  /** [pageCount, pageWords] */
  readonly words: Int32Array;
  /** Whether a submitted step reads or writes the page; absent: nobody checks. */
  readonly isInUse?: (page: number) => boolean;
}

interface Adapter {
  readonly hash: number;
  readonly pages: readonly number[];
}

export class SimulatedAdapters {
  readonly #pages: AdapterPages;
  readonly #slots: (Adapter | null)[];
  /** Plans that are submitted and not yet waited for. */
  readonly #submitted: () => readonly PlanViews[];

  constructor(
    slotCount: number,
    parts: { readonly pages: AdapterPages; readonly submitted: () => readonly PlanViews[] },
  ) {
    this.#pages = parts.pages;
    this.#submitted = parts.submitted;
    this.#slots = Array.from({ length: slotCount }, () => null);
  }

  async pack(spec: AdapterSpec): Promise<PackedAdapter> {
    await Promise.resolve();
    checkSpec(spec);
    const hash = spec.map(hashOfModule).reduce((a, b) => a ^ b, spec.length);
    const ranks = spec.reduce((sum, { rank }) => sum + rank, 0);
    const pageCount = Math.ceil(ranks / RANKS_PER_PAGE);
    const words = new Int32Array(pageCount * this.#pages.pageWords).fill(hash);
    return {
      pageCount,
      images: new Uint8Array(words.buffer),
      table: Int32Array.of(hash, pageCount),
    };
  }

  write({ pages, images }: PageImages): void {
    const { pageCount, pageWords, words, isInUse } = this.#pages;
    const pageBytes = pageWords * WORD_BYTES;
    assert(images.length === pages.length * pageBytes, "images must hold the pages, and no more");
    pages.forEach((page, at) => {
      assert(page >= 0 && page < pageCount, "a page does not exist");
      assert(!isInUse?.(page), `page ${page} is written to while a step has it`);
      const target = new Uint8Array(words.buffer, words.byteOffset + page * pageBytes, pageBytes);
      target.set(images.subarray(at * pageBytes, (at + 1) * pageBytes));
    });
  }

  set({ adapterSlot, table, pages }: PlacedAdapter): void {
    this.#assertFree(adapterSlot);
    if (this.#slots[adapterSlot] !== null) throw new Error(`adapter slot ${adapterSlot} is set`);
    const [hash = 0, pageCount] = table;
    const { length } = pages.filter((page) => page >= 0 && page < this.#pages.pageCount);
    if (table.length !== 2 || pageCount !== length || length !== pages.length) {
      throw new Error("the adapter's table is not sound");
    }
    this.#slots[adapterSlot] = { hash, pages: [...pages] };
  }

  clear(adapterSlot: number): void {
    this.#assertFree(adapterSlot);
    this.#slots[adapterSlot] = null;
  }

  /** Whether rows may name it; NONE is a row without an adapter. */
  isSet(adapterSlot: number): boolean {
    return adapterSlot === NONE || (this.#slots[adapterSlot] ?? null) !== null;
  }

  /** Pages that a row with this adapter reads. */
  pagesOf(adapterSlot: number): readonly number[] {
    return this.#slots[adapterSlot]?.pages ?? [];
  }

  /** A token as a row with this adapter sees it; without one, the token itself. */
  see(adapterSlot: number, token: number): number {
    const adapter = this.#slots[adapterSlot];
    if (adapter === null || adapter === undefined) return token;
    const { pageWords, words } = this.#pages;
    const read = adapter.pages.reduce(
      (hash, page) => mix(hash, words[page * pageWords] ?? 0),
      adapter.hash,
    );
    return mix(token, read);
  }

  #assertFree(adapterSlot: number): void {
    if (this.#slots[adapterSlot] === undefined) throw new Error("there is no such adapter slot");
    const isNamed = this.#submitted().some(({ header, row_adapter }) =>
      row_adapter.subarray(0, header[PLAN_HEADER.rows]).includes(adapterSlot),
    );
    if (isNamed) throw new Error("a submitted step names the adapter slot");
  }
}

function checkSpec(spec: AdapterSpec): void {
  if (spec.length === 0) throw new AdapterError("bad_module", "the adapter changes no module");
  const names = new Set(spec.map(({ layer, module }) => `layer ${layer} ${module}`));
  if (names.size < spec.length) throw new AdapterError("bad_module", "a module is there twice");
  for (const { layer, module, rank, scaling, a, b } of spec) {
    const name = `layer ${layer} ${module}`;
    if (!(rank >= 1 && rank <= LORA_RANK_MAX)) {
      throw new AdapterError("bad_rank", `${name} has rank ${rank}, outside 1 .. ${LORA_RANK_MAX}`);
    }
    if (!Number.isFinite(scaling)) {
      throw new AdapterError("bad_scaling", `${name} has a scaling that is not finite`);
    }
    if (a.shape[0] !== rank || b.shape[1] !== rank) {
      throw new AdapterError("wrong_shape", `${name} has matrices of another rank than ${rank}`);
    }
  }
}

function hashOfModule({ layer, module, rank, scaling, a, b }: AdapterModuleSpec): number {
  const place = [a, b].map(({ path, offset }) => {
    const bytes = new TextEncoder().encode(path);
    return mix(bytes.reduce(mix, 0), offset);
  });
  const [bits = 0] = new Int32Array(Float32Array.of(scaling).buffer);
  return [layer, LORA_MODULES.indexOf(module), rank, bits, ...place].reduce(mix, 0);
}
