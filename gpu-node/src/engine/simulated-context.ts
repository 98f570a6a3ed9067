// Owns where the tokens of a row lie in a simulated engine's pages, and the hash of its context that stands for K and V:
// in each KV group a chain over all tokens, read back through the group's pages. With a window, each link also takes in
// the oldest position that the window still reaches, so that a page given back too early changes what a request says.
// Invariant: places are found before anything is written.
import { mix, type PageEntry, type SimulatedMemory } from "./simulated-memory.ts";
import type { KvGroup } from "./engine.ts";

/** Where a token of a row goes. */
export interface Place {
  readonly entry: PageEntry;
  readonly offset: number;
}

/** The positions of a row. */
export interface RowSpan {
  readonly firstPosition: number;
  readonly tokenCount: number;
}

/** Index of the last entry that begins at or before `position`; -1 without one. Entries ascend by position. */
function entryIndexOf(entries: readonly PageEntry[], position: number): number {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle]?.firstPosition ?? 0) <= position) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The place of each token of the row in one group; null when one has no page or would leave a hole before it. */
export function placesOf(
  entries: readonly PageEntry[],
  row: RowSpan,
  pageTokens: number,
): Place[] | null {
  const places: Place[] = [];
  let index = entryIndexOf(entries, row.firstPosition);
  let nValid = entries[index]?.nValid ?? 0;
  for (let i = 0; i < row.tokenCount; i++) {
    const position = row.firstPosition + i;
    const next = entries[index + 1];
    if (next !== undefined && next.firstPosition <= position) {
      index += 1;
      nValid = next.nValid;
    }
    const entry = entries[index];
    if (entry === undefined) return null;
    const offset = position - entry.firstPosition;
    if (offset >= pageTokens || offset > nValid) return null;
    nValid = Math.max(nValid, offset + 1);
    places.push({ entry, offset });
  }
  return places;
}

/**
 * Writes a row's tokens into its places of one group.
 * @returns the hash of the context up to the row's end
 */
export function writeTokens(
  memory: SimulatedMemory,
  group: {
    readonly entries: readonly PageEntry[];
    readonly places: readonly Place[];
    readonly windowTokens: KvGroup["windowTokens"];
  },
  row: { readonly firstPosition: number; readonly tokenAt: (index: number) => number },
): number {
  const { entries, places, windowTokens } = group;
  let hash = hashAt(memory, entries, row.firstPosition - 1);
  places.forEach(({ entry, offset }, i) => {
    hash = mix(hash, row.tokenAt(i));
    if (windowTokens !== null) {
      const oldest = Math.max(0, row.firstPosition + i - windowTokens + 1);
      if (oldest < row.firstPosition + i) hash = mix(hash, hashAt(memory, entries, oldest));
    }
    memory.setHash({ page: entry.page, offset }, hash);
    entry.nValid = Math.max(entry.nValid, offset + 1);
  });
  return hash;
}

/** What lies at a position, read through the page table; 0 before the first. */
function hashAt(memory: SimulatedMemory, entries: readonly PageEntry[], position: number): number {
  if (position < 0) return 0;
  const entry = entries[entryIndexOf(entries, position)];
  if (entry === undefined) return 0;
  return memory.hashAt(entry.page, Math.min(position - entry.firstPosition, entry.nValid - 1));
}
