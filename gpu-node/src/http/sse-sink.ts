// Owns a streaming answer: a request's tokens as server-sent events in OpenAI's shape, keep-alive comments in long
// silences, and the cut of a client that does not read. Invariant: the status line waits for the first token (or the
// first keep-alive), so that a refusal by the scheduler is still a proper HTTP error.
import {
  errorBody,
  finishReasonOf,
  SSE_DONE,
  SSE_HEADERS,
  SSE_KEEP_ALIVE,
  sseEvent,
  type AnswerShape,
  type ChatHead,
  type ChunkPart,
  type ErrorValue,
} from "@fairlane/protocol";
import type { AnswerSink, ChoiceEnd, StreamEnd, TokenDelta } from "../stream/token-stream.ts";
import { sendError, type Exchange } from "./exchange.ts";
import { STREAM_BUFFERED_BYTES_MAX, STREAM_KEEP_ALIVE_MS } from "./limits.ts";

export interface SseSinkOptions {
  readonly exchange: Exchange;
  readonly shape: AnswerShape;
  readonly head: ChatHead;
  readonly choiceCount: number;
  readonly includeUsage: boolean;
  /** The client reads too slowly; the request is to be cancelled. */
  readonly tooSlow: () => void;
  readonly keepAliveMs?: number;
}

export class SseSink implements AnswerSink {
  readonly #options: SseSinkOptions;
  readonly #keepAlive: NodeJS.Timeout;
  /** The role chunks are out, where the shape has any. */
  #hasBegun = false;
  #tokenCount = 0;
  readonly #choicesWithCalls = new Set<number>();

  constructor(options: SseSinkOptions) {
    this.#options = options;
    const everyMs = options.keepAliveMs ?? STREAM_KEEP_ALIVE_MS;
    this.#keepAlive = setInterval(() => this.#write(SSE_KEEP_ALIVE), everyMs);
    options.exchange.response.once("close", () => clearInterval(this.#keepAlive));
  }

  tokens(delta: TokenDelta): void {
    const { text, logprobs, choice, reasoning, calls } = delta;
    this.#tokenCount += delta.tokenCount;
    // The id of an event is the index of the last token whose text it completes, over all choices, as on the edge.
    const id = this.#tokenCount - 1;
    if (reasoning !== undefined) {
      this.#writePart({ kind: "reasoning", choice, text: reasoning }, { id });
    }
    if (text !== "" || logprobs?.length) {
      this.#writePart({ kind: "text", choice, text, logprobs }, { id });
    }
    if (calls === undefined) return;
    this.#choicesWithCalls.add(choice ?? 0);
    this.#writePart({ kind: "calls", choice, calls }, { id });
  }

  choiceEnded({ choice, reason }: ChoiceEnd): void {
    this.#writeFinish(choice, reason);
  }

  ended(end: StreamEnd): void {
    clearInterval(this.#keepAlive);
    const { exchange, includeUsage, choiceCount } = this.#options;
    if (end.error && !exchange.response.headersSent) return sendError(exchange, end.error);
    if (end.reason === "cancelled") return void exchange.response.end();
    if (end.reason === "error") this.#writeError(end.error ?? UNKNOWN_ERROR);
    else if (choiceCount === 1) this.#writeFinish(0, end.reason);
    if (includeUsage) this.#writePart({ kind: "usage", counts: usageCounts(end) });
    if (end.reason !== "error") this.#write(SSE_DONE);
    exchange.response.end();
  }

  #writeFinish(choice: number, reason: ChoiceEnd["reason"]): void {
    const finishReason = finishReasonOf(reason, this.#choicesWithCalls.has(choice));
    this.#writePart({ kind: "finish", choice, finishReason });
  }

  #writePart(part: ChunkPart, event: { readonly id?: number } = {}): void {
    this.#begin();
    this.#writeChunk(part, event);
  }

  #writeError(error: ErrorValue): void {
    this.#write(sseEvent(errorBody(error), { event: "error" }));
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    for (let choice = 0; choice < this.#options.choiceCount; choice++) {
      this.#writeChunk({ kind: "role", choice }, {});
    }
  }

  #writeChunk(part: ChunkPart, event: { readonly id?: number }): void {
    const { shape, head, includeUsage } = this.#options;
    const chunk = shape.chunk(head, part, { includeUsage });
    if (chunk !== null) this.#write(sseEvent(chunk, event));
  }

  #write(text: string): void {
    const { response } = this.#options.exchange;
    if (response.destroyed) return;
    if (!response.headersSent) response.writeHead(200, SSE_HEADERS);
    response.write(text);
    this.#keepAlive.refresh();
    if (response.writableLength > STREAM_BUFFERED_BYTES_MAX) this.#cut();
  }

  #cut(): void {
    this.#options.tooSlow();
    this.#options.exchange.response.destroy();
  }
}

const UNKNOWN_ERROR: ErrorValue = {
  code: "internal_error",
  message: "The request ended with an error.",
  param: null,
};

/** The numbers of OpenAI's usage object. */
export function usageCounts(end: StreamEnd) {
  return {
    promptTokens: end.promptTokens,
    cachedTokens: end.counts.cachedTokens,
    outputTokens: end.counts.outputTokens,
  };
}
