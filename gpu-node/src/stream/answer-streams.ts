// Owns the making of the streams of an accepted request, for both doors: one per answer that the engine computes, prompt
// by prompt, all into one sink. Of best_of answers only the likeliest reach it.
import {
  choiceCounts,
  stopStrings,
  type AnswerFields,
  type ChatRequest,
  type CompletionRequest,
} from "@fairlane/protocol";
import type { EngineRequest } from "../engine/worker-messages.ts";
import type { AnswerParser } from "./answer-parser.ts";
import { BestOfSink } from "./best-of-sink.ts";
import { ChoiceGroup } from "./choice-group.ts";
import {
  TokenStream,
  type AnswerSink,
  type Detokenizer,
  type DetokenizerOptions,
  type StreamSink,
  type TokenStreamOptions,
} from "./token-stream.ts";

interface StreamModel {
  makeDetokenizer(options?: DetokenizerOptions): Detokenizer;
  makeParser(body: ChatRequest): AnswerParser | null;
  tokenBytes(token: number): Uint8Array;
}

interface Making {
  readonly requests: readonly EngineRequest[];
  readonly fields: AnswerFields;
  readonly hasLogprobs: boolean;
  readonly tokenBytes: (token: number) => Uint8Array;
  /** For each answer anew. */
  readonly makeText: () => Pick<TokenStreamOptions, "detokenizer" | "parser">;
  readonly sink: AnswerSink;
}

/** The streams of a chat, in the order of their choices. */
export function answerStreams(options: {
  readonly request: EngineRequest;
  readonly body: ChatRequest;
  readonly model: StreamModel;
  readonly sink: AnswerSink;
}): readonly TokenStream[] {
  const { request, body, model, sink } = options;
  return makeStreams({
    requests: [request],
    fields: body,
    hasLogprobs: body.logprobs === true,
    tokenBytes: (token) => model.tokenBytes(token),
    makeText: () => {
      const parser = model.makeParser(body);
      return { parser, detokenizer: model.makeDetokenizer({ showsMarks: parser !== null }) };
    },
    sink,
  });
}

/** The streams of a completion, those of the first prompt first. */
export function completionStreams(options: {
  readonly requests: readonly EngineRequest[];
  readonly body: CompletionRequest;
  readonly model: StreamModel;
  readonly sink: AnswerSink;
}): readonly TokenStream[] {
  const { requests, body, model, sink } = options;
  return makeStreams({
    requests,
    fields: body,
    hasLogprobs: body.logprobs !== undefined && body.logprobs !== null,
    tokenBytes: (token) => model.tokenBytes(token),
    makeText: () => ({ detokenizer: model.makeDetokenizer({ isContinuation: true }) }),
    sink,
  });
}

function makeStreams(making: Making): readonly TokenStream[] {
  const { requests, fields, hasLogprobs, tokenBytes, makeText, sink } = making;
  const stream = (request: EngineRequest, to: StreamSink, group?: ChoiceGroup): TokenStream =>
    new TokenStream({
      request,
      ...makeText(),
      tokenBytes,
      stopStrings: stopStrings(fields),
      sink: to,
      ...(group === undefined ? {} : { group }),
    });
  const { given, computed } = choiceCounts(fields);
  const [first] = requests;
  if (first === undefined) return [];
  if (requests.length * computed === 1) return [stream(first, sink)];
  const target = given < computed ? new BestOfSink(sink, { given, hasLogprobs }) : sink;
  const group = new ChoiceGroup(first.requestId, target, { choicesPerPrompt: computed });
  for (const [choice, own] of requests.flatMap(answersTo).entries()) {
    group.add(stream(own, group.sinkOf(choice), group));
  }
  return group.streams;
}

/** The answers to one prompt, as the engine has them. */
function answersTo({ forks = [], ...first }: EngineRequest): readonly EngineRequest[] {
  return [first, ...forks.map(({ requestId }) => ({ ...first, requestId }))];
}
