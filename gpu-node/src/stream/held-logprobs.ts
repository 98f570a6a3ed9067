// Owns the log-probabilities of tokens whose text is not out yet: an entry leaves with the text of its token, so that
// it gives no part of a stop string away. Invariant: entries leave in the order of their tokens, each at most once.
import type { TokenLogprob } from "@fairlane/protocol";
import type { SampledLogprob } from "../engine/worker-messages.ts";

/** JSON has no minus infinity; OpenAI sends this for what cannot be. */
const IMPOSSIBLE_LOGPROB = -9_999;

interface Held {
  readonly entry: TokenLogprob;
  /** Places of the token's text in the answer. */
  readonly fromChar: number;
  readonly untilChar: number;
}

export class HeldLogprobs {
  readonly #tokenBytes: (token: number) => Uint8Array;
  #held: Held[] = [];

  constructor(tokenBytes: (token: number) => Uint8Array) {
    this.#tokenBytes = tokenBytes;
  }

  /** Takes the entry of a token that brought the characters from..until of the answer. */
  push(token: number, sampled: SampledLogprob, chars: { from: number; until: number }): void {
    const { from, until } = chars;
    const entry = {
      ...this.#scored(token, sampled.logprob),
      top_logprobs: sampled.top.map((one) => this.#scored(one.token, one.logprob)),
    };
    // A token that brings no text is part of a character that a later one completes.
    this.#held.push({ entry, fromChar: from, untilChar: Math.max(until, from + 1) });
  }

  /** The entries of tokens whose text is out as far as `chars`. */
  release(chars: number): TokenLogprob[] {
    const count = this.#held.findIndex(({ untilChar }) => untilChar > chars);
    return this.#take(count < 0 ? this.#held.length : count);
  }

  /** The entries of tokens with a part in the first `chars` characters; forgets the others. */
  releaseLast(chars: number): TokenLogprob[] {
    const count = this.#held.findIndex(({ fromChar }) => fromChar >= chars);
    const taken = this.#take(count < 0 ? this.#held.length : count);
    this.#held = [];
    return taken;
  }

  /** All entries. */
  releaseAll(): TokenLogprob[] {
    return this.#take(this.#held.length);
  }

  #take(count: number): TokenLogprob[] {
    return this.#held.splice(0, count).map(({ entry }) => entry);
  }

  #scored(token: number, logprob: number) {
    const bytes = this.#tokenBytes(token);
    return {
      token: new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes),
      logprob: Number.isFinite(logprob) ? logprob : IMPOSSIBLE_LOGPROB,
      bytes: [...bytes],
    };
  }
}
