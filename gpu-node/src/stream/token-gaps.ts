// Owns when the tokens of live requests came: the times between them, and each request's fluidity by them. It keeps no token.
// Invariant: of tokens that come together all but the first have a gap of 0.
import { FluidityMeter, type FluidityDeadlines } from "@fairlane/slo";
import type { TokenStream } from "./token-stream.ts";

interface Times {
  lastTokenMs: number;
  readonly meter: FluidityMeter;
}

export class TokenGaps {
  readonly #deadlines: FluidityDeadlines;
  readonly #times = new WeakMap<TokenStream, Times>();

  constructor(deadlines: FluidityDeadlines) {
    this.#deadlines = deadlines;
  }

  /** Notes tokens that came now; adds the time between each and the one before it, which the very first has not. */
  note(
    stream: TokenStream,
    came: { readonly tokenCount: number; readonly nowMs: number },
    gapsMs: number[],
  ): void {
    const { tokenCount, nowMs } = came;
    if (tokenCount === 0) return;
    const times = this.#times.get(stream);
    const gapMs = Math.max(0, nowMs - (times?.lastTokenMs ?? stream.request.receivedAtMs));
    const meter = times?.meter ?? new FluidityMeter(this.#deadlines);
    if (times === undefined) this.#times.set(stream, { lastTokenMs: nowMs, meter });
    else times.lastTokenMs = nowMs;
    for (let token = 0; token < tokenCount; token++) {
      const ownGapMs = token === 0 ? gapMs : 0;
      meter.token(Math.round(ownGapMs * 1_000));
      if (times !== undefined || token > 0) gapsMs.push(ownGapMs);
    }
  }

  /** The share of its deadlines that the request met so far; null before its first token. */
  fluidityOf(stream: TokenStream): number | null {
    return this.#times.get(stream)?.meter.fluidity ?? null;
  }
}
