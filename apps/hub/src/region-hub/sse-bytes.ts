// Owns the bytes of an event stream in the shape of an answer: role, text with `id: <token index>`, finish,
// usage, [DONE], keep-alives and errors. Builds through packages/protocol; only the text chunk, the one per token,
// is cut once at its text so that a token costs one JSON string and one encode.
import {
  errorBody,
  SSE_DONE,
  SSE_KEEP_ALIVE,
  sseEvent,
  type AnswerShape,
  type ChatHead,
  type ChunkPart,
  type ErrorValue,
  type FinishReason,
  type TokenCounts,
  type TokenLogprob,
  type ToolCallDelta,
} from "@fairlane/protocol";
import type { AnswerForm } from "./answer-form.ts";

/** A form whose stream is made of chunks. */
export type ChunkForm = AnswerForm & { readonly shape: AnswerShape };

const encoder = new TextEncoder();

/** A fresh copy each time: a byte stream takes the buffer it is given. */
export function keepAliveBytes(): Uint8Array {
  return encoder.encode(SSE_KEEP_ALIVE);
}

// Stands for the text in the template; JSON escapes it, so it cannot occur unescaped anywhere else.
const MARK = "\u0000";

/** A text chunk, cut at its text. */
interface Cut {
  readonly before: string;
  readonly after: string;
}

/** What a delta has beside or instead of text. */
export interface DeltaParts {
  readonly text: string;
  readonly choice?: number | undefined;
  readonly logprobs?: readonly TokenLogprob[] | undefined;
  readonly reasoning?: string | undefined;
  readonly calls?: readonly ToolCallDelta[] | undefined;
}

export class SseBytes {
  readonly #head: ChatHead;
  readonly #form: ChunkForm;
  /** By choice. */
  readonly #cuts: readonly Cut[];

  constructor(head: ChatHead, form: ChunkForm) {
    this.#head = head;
    this.#form = form;
    this.#cuts = Array.from({ length: form.choiceCount }, (_, choice) => this.#cutOf(choice));
  }

  /** The first chunk of each choice; no bytes when the shape has none. */
  roles(): Uint8Array {
    const chunks = this.#cuts.map((_, choice) => this.#event({ kind: "role", choice }));
    return encoder.encode(chunks.join(""));
  }

  /** Text up to and with the token of this index. */
  text(
    part: { readonly text: string; readonly choice?: number | undefined },
    tokenIndex: number,
  ): Uint8Array {
    const json = JSON.stringify(part.text);
    const cut = this.#cuts[part.choice ?? 0];
    return encoder.encode(`id: ${tokenIndex}\n${cut?.before ?? ""}${json}${cut?.after ?? ""}`);
  }

  /** A delta of more than text, an event for each kind; built whole, since few requests have such. */
  parts(delta: DeltaParts, tokenIndex: number): Uint8Array {
    const { text, choice, logprobs, reasoning, calls } = delta;
    const parts: ChunkPart[] = [];
    if (reasoning !== undefined) parts.push({ kind: "reasoning", choice, text: reasoning });
    if (text !== "" || logprobs) parts.push({ kind: "text", choice, text, logprobs });
    if (calls !== undefined) parts.push({ kind: "calls", choice, calls });
    const events = parts.map((part) => this.#event(part, { id: tokenIndex }));
    return encoder.encode(events.join(""));
  }

  /** The end of one of several choices. */
  choiceEnd(choice: number, finishReason: FinishReason): Uint8Array {
    return encoder.encode(this.#event({ kind: "finish", choice, finishReason }));
  }

  /** Everything after the last text: the finish reason of a choice alone, the usage when it was asked for, [DONE]. */
  end(finishReason: FinishReason, counts: TokenCounts): Uint8Array {
    const finish = this.#cuts.length === 1 ? this.#event({ kind: "finish", finishReason }) : "";
    return encoder.encode(finish + this.#usage(counts) + SSE_DONE);
  }

  /** What ends a stream that cannot go on: the error event, then the usage of what was served. No [DONE]. */
  failure(error: ErrorValue, counts: TokenCounts): Uint8Array {
    const event = sseEvent(errorBody(error), { event: "error" });
    return encoder.encode(event + this.#usage(counts));
  }

  #usage(counts: TokenCounts): string {
    return this.#form.includeUsage ? this.#event({ kind: "usage", counts }) : "";
  }

  /** Empty when the shape has no chunk for the part. */
  #event(part: ChunkPart, options: { readonly id?: number } = {}): string {
    const chunk = this.#form.shape.chunk(this.#head, part, this.#form);
    return chunk === null ? "" : sseEvent(chunk, options);
  }

  #cutOf(choice: number): Cut {
    const template = this.#event({ kind: "text", choice, text: MARK });
    const mark = JSON.stringify(MARK);
    // The text is the last thing in a chunk that a client or a model's name could have a say in.
    const at = template.lastIndexOf(mark);
    return { before: template.slice(0, at), after: template.slice(at + mark.length) };
  }
}
