// Owns which pages of preempted requests are on their way to the swap space and back, and when that is cheaper than to
// compute them again. Whose turn it is to join is admission.ts's. Invariant: a page is held until the copy that reads or
// writes it has ended.
import type { EngineInfo } from "../engine/engine.ts";
import { readsHistory } from "../engine/sampling-columns.ts";
import { STEP_CACHED_PAGES_MAX } from "../limits.ts";
import type { BlockTable } from "../memory/block-table.ts";
import type { PagePool } from "../memory/page-pool.ts";
import type { SavedPages, SwapSpace } from "../memory/swap-space.ts";
import type { RunningRequest } from "../request/request.ts";
import { heldPositionsOf } from "../request/request-counts.ts";
import { prefillMsMin } from "./early-abort.ts";
import type { StepPredictor } from "./step-predictor.ts";

/** A preempted request's claim to its pages. */
export interface SwapTicket {
  readonly saved: SavedPages;
  /** Positions, from 0 on, whose states they hold. */
  readonly positions: number;
  /** The pages that they are loaded into. */
  blocks: BlockTable | null;
}

export interface SwapperOptions {
  readonly space: SwapSpace;
  readonly pool: PagePool;
  readonly info: Pick<EngineInfo, "kvGroups">;
  readonly predictor: StepPredictor | null;
}

export class Swapper {
  readonly space: SwapSpace;
  readonly #pool: PagePool;
  readonly #predictor: StepPredictor | null;
  readonly #isPossible: boolean;
  readonly #tables = new Set<BlockTable>();
  /** Whose pages are there, and wait for their request to join. */
  readonly #loaded = new Set<SwapTicket>();
  #savingPages = 0;

  constructor({ space, pool, info, predictor }: SwapperOptions) {
    this.space = space;
    this.#pool = pool;
    this.#predictor = predictor;
    // A window's pages do not begin with position 0; such requests are computed again.
    this.#isPossible = info.kvGroups.length === 1 && info.kvGroups[0]?.windowTokens === null;
  }

  /** Tables whose pages are held for a copy, or for a request that is about to join. */
  get tables(): ReadonlySet<BlockTable> {
    return this.#tables;
  }

  /** Pages that will be free once what is being saved is. */
  get savingPages(): number {
    return this.#savingPages;
  }

  /** Whether the request's pages can be saved, and are back sooner than computed again. */
  isCheaper(request: RunningRequest): boolean {
    const { blocks, spec, plannedPrefillTokens, startPosition } = request;
    // Before its first row there may be pages that others have still to fill. Penalties read all tokens again.
    const hasRun = plannedPrefillTokens > startPosition;
    if (!this.#isPossible || !hasRun || readsHistory(spec)) return false;
    const positions = heldPositionsOf(request);
    const pageCount = blocks.blocksFor(positions);
    const fits = pageCount <= STEP_CACHED_PAGES_MAX && this.space.hasRoomFor(pageCount);
    if (pageCount === 0 || !fits) return false;
    if (this.#predictor === null) return true;
    return this.space.predictMs(pageCount) < prefillMsMin(this.#predictor, positions);
  }

  /** Begins to save the pages of `positions`; the table's pages are free once that has ended. */
  save(blocks: BlockTable, positions: number): SwapTicket {
    const pages = pagesOf(blocks).slice(0, blocks.blocksFor(positions));
    const heldCount = blocks.entries.length;
    this.#tables.add(blocks);
    this.#savingPages += heldCount;
    const saved = this.space.save(pages, () => {
      this.#savingPages -= heldCount;
      this.#release(blocks);
    });
    return { saved, positions, blocks: null };
  }

  /** Begins to load all but the first `attachedCount` pages into the table, which has these already. */
  load(ticket: SwapTicket, blocks: BlockTable, attachedCount: number): void {
    ticket.blocks = blocks;
    this.#tables.add(blocks);
    const pages = pagesOf(blocks).slice(attachedCount, ticket.saved.pageCount);
    this.space.load(ticket.saved, pages, () => {
      if (ticket.saved.state === "loaded" && ticket.blocks === blocks) this.#loaded.add(ticket);
      else this.#release(blocks);
    });
  }

  /** The loaded pages, for a request that joins; the ticket is used up. */
  take(ticket: SwapTicket, blocks: BlockTable): BlockTable {
    ticket.blocks = null;
    this.#loaded.delete(ticket);
    this.#tables.delete(blocks);
    this.space.drop(ticket.saved);
    return blocks;
  }

  /** Takes the pages back that were loaded for a request which has not joined; false when there are none. */
  unload(): boolean {
    for (const ticket of this.#loaded) {
      const { blocks } = ticket;
      ticket.blocks = null;
      this.#loaded.delete(ticket);
      this.space.unload(ticket.saved);
      if (blocks !== null) this.#release(blocks);
      return true;
    }
    return false;
  }

  /** Gives up what was saved; pages of a copy under way are free once that has ended. */
  drop(ticket: SwapTicket): void {
    const { blocks, saved } = ticket;
    ticket.blocks = null;
    this.#loaded.delete(ticket);
    this.space.drop(saved);
    if (blocks !== null && saved.state === "loaded") this.#release(blocks);
  }

  #release(blocks: BlockTable): void {
    this.#tables.delete(blocks);
    blocks.release(this.#pool);
  }
}

function pagesOf({ groups }: BlockTable): number[] {
  return (groups[0]?.entries ?? []).map(({ page }) => page);
}
