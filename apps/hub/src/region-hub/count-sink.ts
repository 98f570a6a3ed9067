// Owns the answer to a question for a prompt's tokens: the number with which the node ends it. Its reader cannot be
// noticed to be gone, so a deadline ends the request instead.
import type { CountOutcome, ErrorValue, FinishReason, TokenCounts } from "@fairlane/protocol";
import type { AnswerSink, SinkState } from "./answer-sink.ts";

export class CountSink implements AnswerSink {
  /** Resolves when the prompt is counted or the request failed. Never rejects. */
  readonly outcome: Promise<CountOutcome>;
  #resolve: (outcome: CountOutcome) => void = () => {};
  #isAccepted = false;
  readonly bufferedBytes = 0;

  constructor() {
    this.outcome = new Promise((resolve) => (this.#resolve = resolve));
  }

  accept(): void {
    this.#isAccepted = true;
  }

  write(): SinkState {
    return "open";
  }

  finishChoice(): SinkState {
    return "open";
  }

  finish(_: FinishReason, { promptTokens }: TokenCounts): void {
    this.#resolve({ ok: true, promptTokens });
  }

  fail(error: ErrorValue): void {
    this.#resolve({ ok: false, error, accepted: this.#isAccepted });
  }

  tick(): SinkState {
    return "open";
  }

  cut(): void {
    const message = "The hub dropped the request for want of memory.";
    this.fail({ code: "overloaded", message, param: null });
  }
}
