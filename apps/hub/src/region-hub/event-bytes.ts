// Owns the bytes of an event stream whose events belong to one another (Responses, Messages): the writer of the answer's
// shape gives text, this encodes it. The counterpart of SseBytes, with the same methods.
import type {
  AnswerBody,
  AnswerEnd,
  AnswerEvents,
  ErrorValue,
  FinishReason,
  TokenCounts,
} from "@fairlane/protocol";
import type { DeltaParts } from "./sse-bytes.ts";

const encoder = new TextEncoder();

export class EventBytes {
  readonly #events: AnswerEvents;
  #heldBytes = 0;

  /** Estimate of what the writer keeps in memory to tell the whole answer at its end. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  constructor(events: AnswerEvents) {
    this.#events = events;
  }

  roles(): Uint8Array {
    return encoder.encode(this.#events.begin());
  }

  text(part: { readonly text: string }, tokenIndex: number): Uint8Array {
    this.#heldBytes += part.text.length;
    return encoder.encode(this.#events.delta(part, tokenIndex));
  }

  parts(delta: DeltaParts, tokenIndex: number): Uint8Array {
    const bytes = encoder.encode(this.#events.delta(delta, tokenIndex));
    // What is told of a delta holds all that is kept of it.
    this.#heldBytes += bytes.length;
    return bytes;
  }

  /** There is one answer, so its end is the whole's. */
  choiceEnd(): Uint8Array {
    return new Uint8Array(0);
  }

  end(
    finishReason: FinishReason,
    counts: TokenCounts,
    extras: Pick<AnswerEnd, "stopString"> = {},
  ): Uint8Array {
    return encoder.encode(this.#events.end({ finishReason, counts, ...extras }));
  }

  failure(error: ErrorValue, counts: TokenCounts): Uint8Array {
    return encoder.encode(this.#events.failure(error, counts));
  }

  /** The answer as far as it got, when nothing more is told of it. */
  abandoned(): AnswerBody {
    this.#events.abandon();
    return this.#events.whole();
  }

  whole(): AnswerBody {
    return this.#events.whole();
  }
}
