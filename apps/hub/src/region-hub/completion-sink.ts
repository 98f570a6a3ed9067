// Owns the answer as one JSON body: collects the text until the request is done. Its reader cannot be noticed to
// be gone, so a deadline ends the request instead.
import {
  chatCompletion,
  type ChatHead,
  type CompleteOutcome,
  type ErrorValue,
  type FinishReason,
  type TokenCounts,
  type TokenLogprob,
} from "@fairlane/protocol";
import { ANSWER_CHARS_MAX } from "../limits.ts";
import type { AnswerSink, SinkState } from "./answer-sink.ts";

export class CompletionSink implements AnswerSink {
  /** Resolves when the request is done or failed. Never rejects. */
  readonly outcome: Promise<CompleteOutcome>;
  #resolve: (outcome: CompleteOutcome) => void = () => {};
  #head: ChatHead | undefined;
  readonly #texts: string[] = [];
  #logprobs: TokenLogprob[] | undefined;
  #chars = 0;

  constructor() {
    this.outcome = new Promise((resolve) => (this.#resolve = resolve));
  }

  /** Characters, as an estimate of the memory they take. */
  get bufferedBytes(): number {
    return this.#chars;
  }

  accept(head: ChatHead): void {
    this.#head = head;
  }

  write(delta: {
    readonly text: string;
    readonly logprobs?: readonly TokenLogprob[] | undefined;
  }): SinkState {
    this.#texts.push(delta.text);
    this.#chars += delta.text.length;
    if (delta.logprobs) {
      (this.#logprobs ??= []).push(...delta.logprobs);
      this.#chars += JSON.stringify(delta.logprobs).length;
    }
    if (this.#chars <= ANSWER_CHARS_MAX) return "open";
    const message = `The answer is longer than ${ANSWER_CHARS_MAX} characters; stream it, or set max_tokens.`;
    this.fail({ code: "upstream_error", message, param: null });
    return "gone";
  }

  finish(finishReason: FinishReason, counts: TokenCounts): void {
    if (!this.#head) return;
    const text = this.#texts.join("");
    const logprobs = this.#logprobs ? { logprobs: this.#logprobs } : {};
    const completion = chatCompletion(this.#head, { text, finishReason, counts, ...logprobs });
    this.#resolve({ ok: true, completion });
  }

  fail(error: ErrorValue): void {
    this.#resolve({ ok: false, error, accepted: this.#head !== undefined });
  }

  tick(): SinkState {
    return "open";
  }

  cut(): void {
    const message = "The hub dropped the answer for want of memory.";
    this.fail({ code: "overloaded", message, param: null });
  }
}
