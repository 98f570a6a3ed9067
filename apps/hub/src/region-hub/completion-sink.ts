// Owns the answer as one JSON body: collects the text until the request is done. Its reader cannot be noticed to
// be gone, so a deadline ends the request instead.
import {
  addCallDelta,
  type AnswerShape,
  type EventShape,
  type ChatHead,
  type CompleteOutcome,
  type ErrorValue,
  type FinishReason,
  type TokenCounts,
  type TokenLogprob,
  type ToolCall,
  type ToolCallDelta,
} from "@fairlane/protocol";
import { ANSWER_CHARS_MAX } from "../limits.ts";
import type { AnswerForm } from "./answer-form.ts";
import type { AnswerSink, FinishExtras, SinkState } from "./answer-sink.ts";

interface Choice {
  readonly texts: string[];
  reasoning: string;
  reasoningTokens: number;
  lastTokenIndex: number;
  readonly calls: ToolCall[];
  logprobs: TokenLogprob[] | undefined;
  finishReason: FinishReason | undefined;
}

export class CompletionSink implements AnswerSink {
  /** Resolves when the request is done or failed. Never rejects. */
  readonly outcome: Promise<CompleteOutcome>;
  #resolve: (outcome: CompleteOutcome) => void = () => {};
  #head: ChatHead | undefined;
  readonly #shape: AnswerShape | EventShape;
  readonly #choices: readonly Choice[];
  #chars = 0;

  constructor({ shape, choiceCount }: AnswerForm) {
    this.#shape = shape;
    this.#choices = Array.from({ length: choiceCount }, () => {
      return {
        texts: [],
        reasoning: "",
        reasoningTokens: 0,
        lastTokenIndex: -1,
        calls: [],
        logprobs: undefined,
        finishReason: undefined,
      };
    });
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
    readonly choice?: number | undefined;
    readonly logprobs?: readonly TokenLogprob[] | undefined;
    readonly reasoning?: string | undefined;
    readonly calls?: readonly ToolCallDelta[] | undefined;
    readonly tokenIndex: number;
  }): SinkState {
    const choice = this.#choices[delta.choice ?? 0];
    if (choice === undefined) return "open";
    const { text, reasoning = "", calls = [] } = delta;
    choice.texts.push(text);
    choice.reasoning += reasoning;
    // Of one answer; tokens without text are not told, so those since the last delta are of this one's kind.
    if (reasoning !== "" && text === "") {
      choice.reasoningTokens += delta.tokenIndex - choice.lastTokenIndex;
    }
    choice.lastTokenIndex = delta.tokenIndex;
    this.#chars += text.length + reasoning.length;
    for (const call of calls) {
      addCallDelta(choice.calls, call);
      this.#chars += call.arguments?.length ?? 0;
    }
    if (delta.logprobs) {
      (choice.logprobs ??= []).push(...delta.logprobs);
      this.#chars += JSON.stringify(delta.logprobs).length;
    }
    if (this.#chars <= ANSWER_CHARS_MAX) return "open";
    const message = `The answer is longer than ${ANSWER_CHARS_MAX} characters; stream it, or set max_tokens.`;
    this.fail({ code: "upstream_error", message, param: null });
    return "gone";
  }

  finishChoice(choice: number, finishReason: FinishReason): SinkState {
    const finished = this.#choices[choice];
    if (finished !== undefined) finished.finishReason = finishReason;
    return "open";
  }

  finish(finishReason: FinishReason, counts: TokenCounts, extras: FinishExtras = {}): void {
    if (!this.#head) return;
    const choices = this.#choices.map((choice) => {
      const { texts, lastTokenIndex: _, ...rest } = choice;
      const reason = choice.finishReason ?? finishReason;
      return { ...rest, text: texts.join(""), finishReason: reason };
    });
    const { stopString } = extras;
    const completion = this.#shape.whole(this.#head, { choices, counts, stopString });
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
