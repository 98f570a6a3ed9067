// Owns what the streams of one request with several answers, or several prompts, have in common: their sink, their counts
// as one, and the end of the whole, which is the end of the last. Invariant: the sink hears each choice end once, then the
// end of all; a prompt that choices share is counted once, as the first of them has it.
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
  readonly #choicesPerPrompt: number;
  readonly #streams: TokenStream[] = [];
  readonly #ends: StreamEnd[] = [];
  #deliveredEnds = 0;

  /** @param options.choicesPerPrompt so many streams in a row share a prompt; absent: all do */
  constructor(
    requestId: string,
    sink: AnswerSink,
    options: { readonly choicesPerPrompt: number } = { choicesPerPrompt: Infinity },
  ) {
    this.requestId = requestId;
    this.#sink = sink;
    this.#choicesPerPrompt = options.choicesPerPrompt;
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
    return this.#streams.indexOf(stream) % this.#choicesPerPrompt === 0;
  }

  /** The streams that share a stream's prompt, itself among them: they are one request to the engine. */
  sharingPromptOf(stream: TokenStream): readonly TokenStream[] {
    const index = this.#streams.indexOf(stream);
    const perPrompt = Math.min(this.#choicesPerPrompt, this.#streams.length);
    const first = index - (index % perPrompt);
    return this.#streams.slice(first, first + perPrompt);
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
    if (this.#ends.length < this.#streams.length) return null;
    const reason = reasonOf(this.#ends);
    const error = this.#ends.find((end) => end.error !== null)?.error ?? null;
    const { requestId, counts } = this;
    const owners = this.#streams.filter((stream) => this.countsPromptOf(stream));
    const promptTokens = owners.reduce((sum, one) => sum + one.request.promptTokens.length, 0);
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
