// Owns which adapters requests wait for, in which order, and which resident ones are kept for them. Invariant: what is kept
// is resident and waited for; it is given up newest first.
import type { Adapter } from "./adapter.ts";

export class AdapterHolds {
  /** Waited for, in the order in which the first waiting request came. */
  readonly #wanted = new Set<Adapter>();
  readonly #held = new Set<Adapter>();
  /** Told when the evictor may choose it, or may not any more. */
  readonly #changed: (adapter: Adapter) => void;
  #heldPages = 0;

  constructor(changed: (adapter: Adapter) => void) {
    this.#changed = changed;
  }

  /** Adapters that requests wait for, longest first. */
  get wanted(): ReadonlySet<Adapter> {
    return this.#wanted;
  }

  /** Pages of what is kept. */
  get heldPages(): number {
    return this.#heldPages;
  }

  want(adapter: Adapter): void {
    this.#wanted.add(adapter);
    this.refresh(adapter);
  }

  unwant(adapter: Adapter): void {
    this.#wanted.delete(adapter);
    this.refresh(adapter);
  }

  /** Its state has changed: keeps it when it is resident and waited for. */
  refresh(adapter: Adapter): void {
    this.#set(adapter, adapter.state === "resident" && this.#wanted.has(adapter));
  }

  /** Gives up what was kept last, but for the adapter of the request whose turn it is; false when there is nothing. */
  giveUp(headDigest: string | undefined): boolean {
    const newest = [...this.#held].findLast(({ key }) => key !== headDigest);
    if (newest === undefined) return false;
    this.#set(newest, false);
    return true;
  }

  #set(adapter: Adapter, isHeld: boolean): void {
    if (adapter.isHeld === isHeld) return;
    adapter.isHeld = isHeld;
    this.#heldPages += isHeld ? adapter.pageCount : -adapter.pageCount;
    if (isHeld) this.#held.add(adapter);
    else this.#held.delete(adapter);
    this.#changed(adapter);
  }
}
