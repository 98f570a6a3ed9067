// Owns what the streams of one request with several answers, or several prompts, have in common: their sink, their counts
// as one, and the end of the whole, which is the end of the last. Invariant: the sink hears each choice end once, then the
// end of all; a prompt that all share is counted once, as the first choice has it.
import { assert } from "@fairlane/base";
import type { EndReason } from "../engine/worker-messages.ts";
import type { LiveCounts } from "../usage/live-counts.ts";
import type { AnswerSink, StreamEnd, StreamSink, TokenStream } from "./token-stream.ts";

export class ChoiceGroup {
  /** Of the request. */
  readonly requestId: string;
  /** The request's key in the usage journal; null for what is not billed. */
  journalKey: number | null = null;
  readonly #sink: AnswerSink;
  readonly #sharesPrompt: boolean;
  readonly #streams: TokenStream[] = [];
  readonly #ends: StreamEnd[] = [];
  #deliveredEnds = 0;

  /** @param options.sharesPrompt false: each stream has a prompt of its own */
  constructor(
    requestId: string,
    sink: AnswerSink,
    options: { readonly sharesPrompt: boolean } = { sharesPrompt: true },
  ) {
    this.requestId = requestId;
    this.#sink = sink;
    this.#sharesPrompt = options.sharesPrompt;
  }

  get streams(): readonly TokenStream[] {
    return this.#streams;
  }

  /** Adds the stream of the next choice. */
  add(stream: TokenStream): void {
    this.#streams.push(stream);
  }

  /** What the stream of a choice writes to. */
  sinkOf(choice: number): StreamSink {
    const { requestId } = this;
    return {
      tokens: (delta) => this.#sink.tokens({ ...delta, requestId, choice }),
      ended: (end) => this.#choiceEnded(choice, end),
    };
  }

  /** Whether a stream's prompt is its own to count, and not the first one's. */
  countsPromptOf(stream: TokenStream): boolean {
    return !this.#sharesPrompt || this.#streams[0] === stream;
  }

  /** The sums of all; the times are those of the first choice, and of the first token. */
  get counts(): LiveCounts {
    const all = this.#streams.map(({ counts }) => counts);
    const [first] = all;
    assert(first !== undefined, `${this.requestId} has no choices`);
    const times = all.flatMap(({ ttftMs }) => ttftMs ?? []);
    const sumOf = (field: "cachedTokens" | "computedPromptTokens" | "outputTokens"): number =>
      all.reduce((sum, counts) => sum + counts[field], 0);
    return {
      ...first,
      cachedTokens: sumOf("cachedTokens"),
      computedPromptTokens: sumOf("computedPromptTokens"),
      outputTokens: sumOf("outputTokens"),
      ttftMs: times.length === 0 ? null : Math.min(...times),
    };
  }

  /** Notes that a stream has ended, before its end is delivered. */
  noteEnd(end: StreamEnd): void {
    this.#ends.push(end);
    assert(this.#ends.length <= this.#streams.length, `${this.requestId} ended too often`);
  }

  /** The end of the whole; null while a choice goes on. */
  get end(): StreamEnd | null {
    const [first] = this.#ends;
    if (first === undefined || this.#ends.length < this.#streams.length) return null;
    const reason = reasonOf(this.#ends);
    const error = this.#ends.find((end) => end.error !== null)?.error ?? null;
    const { requestId, counts } = this;
    const prompts = this.#sharesPrompt ? [first] : this.#ends;
    const promptTokens = prompts.reduce((sum, end) => sum + end.promptTokens, 0);
    return { requestId, reason, error, promptTokens, counts };
  }

  /** The end of the whole was delivered. */
  get isOver(): boolean {
    return this.#deliveredEnds === this.#streams.length;
  }

  #choiceEnded(choice: number, { reason, embedding }: StreamEnd): void {
    const { requestId, end } = this;
    if (reason === "stop" || reason === "length") {
      const choiceEnd = { requestId, choice, reason };
      this.#sink.choiceEnded(embedding === undefined ? choiceEnd : { ...choiceEnd, embedding });
    }
    this.#deliveredEnds += 1;
    if (end !== null && this.isOver) this.#sink.ended(end);
  }
}

/** The worst of them: an answer with an error is none, and one was cut off when any choice was. */
function reasonOf(ends: readonly StreamEnd[]): EndReason {
  const order: readonly EndReason[] = ["error", "cancelled", "length"];
  return order.find((reason) => ends.some((end) => end.reason === reason)) ?? "stop";
}
