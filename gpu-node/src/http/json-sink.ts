// Owns a non-streaming answer: collects a request's text and answers once, with the completion or with an error
// status. The text is bounded by the model's context.
import {
  addCallDelta,
  type AnswerShape,
  type ChatHead,
  type FinishReason,
  type TokenLogprob,
  type ToolCall,
} from "@fairlane/protocol";
import type { AnswerSink, ChoiceEnd, StreamEnd, TokenDelta } from "../stream/token-stream.ts";
import { sendError, sendJson, type Exchange } from "./exchange.ts";
import { usageCounts } from "./sse-sink.ts";

interface Choice {
  text: string;
  reasoning: string;
  readonly calls: ToolCall[];
  logprobs: TokenLogprob[] | undefined;
  finishReason: FinishReason | undefined;
}

export class JsonSink implements AnswerSink {
  readonly #exchange: Exchange;
  readonly #shape: AnswerShape;
  readonly #head: ChatHead;
  readonly #choices: readonly Choice[];

  constructor(
    exchange: Exchange,
    options: {
      readonly shape: AnswerShape;
      readonly head: ChatHead;
      readonly choiceCount: number;
    },
  ) {
    const { shape, head, choiceCount } = options;
    this.#exchange = exchange;
    this.#shape = shape;
    this.#head = head;
    this.#choices = Array.from({ length: choiceCount }, () => {
      return { text: "", reasoning: "", calls: [], logprobs: undefined, finishReason: undefined };
    });
  }

  tokens(delta: TokenDelta): void {
    const choice = this.#choices[delta.choice ?? 0];
    if (choice === undefined) return;
    choice.text += delta.text;
    choice.reasoning += delta.reasoning ?? "";
    for (const call of delta.calls ?? []) addCallDelta(choice.calls, call);
    if (delta.logprobs) (choice.logprobs ??= []).push(...delta.logprobs);
  }

  choiceEnded({ choice, reason }: ChoiceEnd): void {
    const ended = this.#choices[choice];
    if (ended !== undefined) ended.finishReason = reason;
  }

  ended(end: StreamEnd): void {
    if (end.error) return sendError(this.#exchange, end.error);
    // Only a lost client's request is cancelled without an error.
    const { reason } = end;
    if (reason === "cancelled" || reason === "error") return;
    const choices = this.#choices.map((choice) => {
      return { ...choice, finishReason: choice.finishReason ?? reason };
    });
    sendJson(
      this.#exchange,
      200,
      this.#shape.whole(this.#head, { choices, counts: usageCounts(end) }),
    );
  }
}
