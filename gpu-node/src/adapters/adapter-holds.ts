// Owns which adapters the next requests want, in the order of their turns, and that those that are idle in their pages stay
// there for them; and which adapters that requests wait for are not on their way. Invariant: what is kept is resident, used
// by no running request, and wanted next; the one whose turn comes last is given up first.
import type { Adapter } from "./adapter.ts";

export class AdapterHolds {
  #next: ReadonlySet<Adapter> = new Set();
  readonly #lacking = new Set<Adapter>();
  /** Told when the evictor may choose it, or may not any more. */
  readonly #changed: (adapter: Adapter) => void;
  #heldPages = 0;

  constructor(changed: (adapter: Adapter) => void) {
    this.#changed = changed;
  }

  /** Adapters that requests wait for and that have to be brought in. */
  get lackingCount(): number {
    return this.#lacking.size;
  }

  /** Pages of what is kept. */
  get heldPages(): number {
    return this.#heldPages;
  }

  /** Notes whose turns come next. */
  setNext(next: ReadonlySet<Adapter>): void {
    const before = this.#next;
    this.#next = next;
    for (const adapter of before) this.refresh(adapter);
    for (const adapter of next) this.refresh(adapter);
  }

  /** Its state, its use or who waits for it has changed. */
  refresh(adapter: Adapter): void {
    const { state, waitingCount, pinCount } = adapter;
    if (waitingCount > 0 && (state === "cold" || state === "host")) this.#lacking.add(adapter);
    else this.#lacking.delete(adapter);
    const isIdle = state === "resident" && pinCount === 0;
    this.#hold(adapter, isIdle && waitingCount > 0 && this.#next.has(adapter));
  }

  /** Gives up what is wanted last, but for the adapter of the request whose turn it is; false when there is nothing. */
  giveUp(headDigest: string | undefined): boolean {
    const last = [...this.#next].findLast(({ key, isHeld }) => isHeld && key !== headDigest);
    if (last === undefined) return false;
    this.#hold(last, false);
    return true;
  }

  #hold(adapter: Adapter, isHeld: boolean): void {
    if (adapter.isHeld === isHeld) return;
    adapter.isHeld = isHeld;
    this.#heldPages += isHeld ? adapter.pageCount : -adapter.pageCount;
    this.#changed(adapter);
  }
}
