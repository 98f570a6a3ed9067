// Owns the search for stop strings in a text that comes in pieces. Text that may be the beginning of a stop string
// is held back until that is decided. Invariant: what comes out, joined, is the text up to the stop string that is
// complete first (of those complete at the same character, the one that begins first), however the text was cut.

export class StopMatcher {
  readonly #stops: readonly string[];
  readonly #heldCharsMax: number;
  #held = "";
  #stoppedBy: string | null = null;

  constructor(stops: readonly string[]) {
    this.#stops = stops;
    this.#heldCharsMax = Math.max(0, ...stops.map((stop) => stop.length - 1));
  }

  /** A stop string was found; nothing comes out any more. */
  get isStopped(): boolean {
    return this.#stoppedBy !== null;
  }

  /** The stop string that was found. */
  get stoppedBy(): string | null {
    return this.#stoppedBy;
  }

  /** Takes more text and gives what is certain to stand before any stop string. */
  push(text: string): string {
    if (this.#stops.length === 0) return text;
    if (this.#stoppedBy !== null) return "";
    const all = this.#held + text;
    const stopped = this.#stopIn(all);
    if (stopped !== null) {
      this.#stoppedBy = stopped.stop;
      this.#held = "";
      return all.slice(0, stopped.start);
    }
    const heldFrom = this.#heldFrom(all);
    this.#held = all.slice(heldFrom);
    return all.slice(0, heldFrom);
  }

  /** What was held back, when no more text comes. */
  flush(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  #stopIn(text: string): { readonly start: number; readonly stop: string } | null {
    let best: { readonly start: number; readonly end: number; readonly stop: string } | null = null;
    for (const stop of this.#stops) {
      const start = text.indexOf(stop);
      if (start < 0) continue;
      const end = start + stop.length;
      const isBetter = best === null || end < best.end || (end === best.end && start < best.start);
      if (isBetter) best = { start, end, stop };
    }
    return best;
  }

  /** Where the longest suffix begins that a stop string begins with. */
  #heldFrom(text: string): number {
    for (let at = Math.max(0, text.length - this.#heldCharsMax); at < text.length; at++) {
      const suffixMayStop = this.#stops.some(
        (stop) => stop.charCodeAt(0) === text.charCodeAt(at) && stop.startsWith(text.slice(at)),
      );
      if (suffixMayStop) return at;
    }
    return text.length;
  }
}
