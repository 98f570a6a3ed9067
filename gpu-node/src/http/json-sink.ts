// Owns a non-streaming answer: collects a request's text and answers once, with the completion or with an error
// status. The text is bounded by the model's context.
import { chatCompletion, type ChatHead, type TokenLogprob } from "@fairlane/protocol";
import type { StreamEnd, StreamSink, TokenDelta } from "../stream/token-stream.ts";
import { sendError, sendJson, type Exchange } from "./exchange.ts";
import { usageCounts } from "./sse-sink.ts";

export class JsonSink implements StreamSink {
  readonly #exchange: Exchange;
  readonly #head: ChatHead;
  #text = "";
  #logprobs: TokenLogprob[] | undefined;

  constructor(exchange: Exchange, head: ChatHead) {
    this.#exchange = exchange;
    this.#head = head;
  }

  tokens(delta: TokenDelta): void {
    this.#text += delta.text;
    if (delta.logprobs) (this.#logprobs ??= []).push(...delta.logprobs);
  }

  ended(end: StreamEnd): void {
    if (end.error) return sendError(this.#exchange, end.error);
    // Only a lost client's request is cancelled without an error.
    if (end.reason === "cancelled" || end.reason === "error") return;
    const answer = {
      text: this.#text,
      finishReason: end.reason,
      counts: usageCounts(end),
      ...(this.#logprobs ? { logprobs: this.#logprobs } : {}),
    };
    sendJson(this.#exchange, 200, chatCompletion(this.#head, answer));
  }
}
