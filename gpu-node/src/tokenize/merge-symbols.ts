// Owns the merging of neighbouring symbols into larger ones, best pair first, as byte-pair encoding does it.
// [SentencePiece] bpe_model.cc: among equal pairs the leftmost goes first. O(n log n) in the number of symbols.

/** The rank of a pair: lower goes first; undefined: never merged. */
export type RankOf = (left: string, right: string) => number | undefined;

interface Candidate {
  readonly rank: number;
  readonly left: number;
  readonly right: number;
  /** What the two symbols were when the candidate was found; another merge may have changed them. */
  readonly text: string;
}

/** The symbols that are left when no pair can be merged any more. */
export function mergeSymbols(symbols: readonly string[], rankOf: RankOf): string[] {
  // A merged symbol lies in the place of its left part; "" marks places that are gone.
  const texts = [...symbols];
  const next = texts.map((_, index) => index + 1);
  const previous = texts.map((_, index) => index - 1);
  const queue = new CandidateQueue();
  const consider = (left: number, right: number): void => {
    const [a, b] = [texts[left], texts[right]];
    if (a === undefined || b === undefined) return;
    const rank = rankOf(a, b);
    if (rank !== undefined) queue.add({ rank, left, right, text: a + b });
  };
  for (let index = 0; index + 1 < texts.length; index++) consider(index, index + 1);
  for (let best = queue.take(); best !== undefined; best = queue.take()) {
    const { left, right, text } = best;
    // Found before one of the two changed: texts only grow, so a changed one cannot give the same union.
    const isStale = texts[left] === "" || texts[right] === "" || next[left] !== right;
    if (isStale || `${texts[left]}${texts[right]}` !== text) continue;
    texts[left] = text;
    texts[right] = "";
    const after = next[right] ?? texts.length;
    next[left] = after;
    if (after < texts.length) previous[after] = left;
    consider(previous[left] ?? -1, left);
    consider(left, after);
  }
  return texts.filter((text) => text !== "");
}

/** A binary heap: the lowest rank first, then the leftmost. */
class CandidateQueue {
  readonly #heap: Candidate[] = [];

  add(candidate: Candidate): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(candidate);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(candidate, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = candidate;
  }

  take(): Candidate | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
      const isRight = left !== undefined && right !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (child === undefined || !isBefore(child, last)) break;
      heap[at] = child;
      at = 2 * at + (isRight ? 2 : 1);
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Candidate, b: Candidate): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.left < b.left);
}
