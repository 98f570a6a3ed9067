// Owns the bytes of an event stream in the shape of chat completions: role, text with `id: <token index>`, finish,
// usage, [DONE], keep-alives and errors. Builds through packages/protocol; only the text chunk, the one per token,
// is cut once at its text so that a token costs one JSON string and one encode.
import {
  chatChunk,
  errorBody,
  SSE_DONE,
  SSE_KEEP_ALIVE,
  sseEvent,
  type ChatHead,
  type ErrorValue,
  type FinishReason,
  type TokenCounts,
  type TokenLogprob,
} from "@fairlane/protocol";

const encoder = new TextEncoder();

/** A fresh copy each time: a byte stream takes the buffer it is given. */
export function keepAliveBytes(): Uint8Array {
  return encoder.encode(SSE_KEEP_ALIVE);
}

// Stands for the text in the template; JSON escapes it, so it cannot occur unescaped anywhere else.
const MARK = "\u0000";

export class SseBytes {
  readonly #head: ChatHead;
  readonly #includeUsage: boolean;
  readonly #beforeText: string;
  readonly #afterText: string;

  constructor(head: ChatHead, options: { readonly includeUsage: boolean }) {
    this.#head = head;
    this.#includeUsage = options.includeUsage;
    const template = sseEvent(chatChunk(head, { kind: "text", text: MARK }, options));
    const mark = JSON.stringify(MARK);
    // The text is the last thing in a chunk that a client or a model's name could have a say in.
    const at = template.lastIndexOf(mark);
    this.#beforeText = template.slice(0, at);
    this.#afterText = template.slice(at + mark.length);
  }

  /** The first chunk. */
  role(): Uint8Array {
    return encoder.encode(sseEvent(chatChunk(this.#head, { kind: "role" }, this.#options())));
  }

  /** Text up to and with the token of this index. */
  text(text: string, tokenIndex: number): Uint8Array {
    const json = JSON.stringify(text);
    return encoder.encode(`id: ${tokenIndex}\n${this.#beforeText}${json}${this.#afterText}`);
  }

  /** The same with log-probabilities; built whole, since few ask for them. */
  scoredText(
    part: { readonly text: string; readonly logprobs: readonly TokenLogprob[] },
    tokenIndex: number,
  ): Uint8Array {
    const chunk = chatChunk(this.#head, { kind: "text", ...part }, this.#options());
    return encoder.encode(sseEvent(chunk, { id: tokenIndex }));
  }

  /** Everything after the last text: the finish reason, the usage when it was asked for, [DONE]. */
  end(finishReason: FinishReason, counts: TokenCounts): Uint8Array {
    const finish = sseEvent(
      chatChunk(this.#head, { kind: "finish", finishReason }, this.#options()),
    );
    return encoder.encode(finish + this.#usage(counts) + SSE_DONE);
  }

  /** What ends a stream that cannot go on: the error event, then the usage of what was served. No [DONE]. */
  failure(error: ErrorValue, counts: TokenCounts): Uint8Array {
    const event = sseEvent(errorBody(error), { event: "error" });
    return encoder.encode(event + this.#usage(counts));
  }

  #usage(counts: TokenCounts): string {
    if (!this.#includeUsage) return "";
    return sseEvent(chatChunk(this.#head, { kind: "usage", counts }, this.#options()));
  }

  #options(): { readonly includeUsage: boolean } {
    return { includeUsage: this.#includeUsage };
  }
}
