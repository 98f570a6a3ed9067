// Owns the making of the streams of an accepted request, for both doors: one per answer that the engine computes, all
// into one sink. Of best_of answers only the likeliest reach it.
import { choiceCounts, stopStrings, type ChatRequest } from "@fairlane/protocol";
import type { EngineRequest } from "../engine/worker-messages.ts";
import type { AnswerParser } from "./answer-parser.ts";
import { BestOfSink } from "./best-of-sink.ts";
import { ChoiceGroup } from "./choice-group.ts";
import { TokenStream, type AnswerSink, type Detokenizer, type StreamSink } from "./token-stream.ts";

export interface AnswerOptions {
  readonly request: EngineRequest;
  readonly body: ChatRequest;
  readonly model: {
    makeDetokenizer(showsMarks?: boolean): Detokenizer;
    makeParser(body: ChatRequest): AnswerParser | null;
    tokenBytes(token: number): Uint8Array;
  };
  readonly sink: AnswerSink;
}

/** The streams, in the order of their choices. */
export function answerStreams(options: AnswerOptions): readonly TokenStream[] {
  const { request, body, model, sink } = options;
  const stream = (own: EngineRequest, to: StreamSink, group?: ChoiceGroup): TokenStream => {
    const parser = model.makeParser(body);
    return new TokenStream({
      request: own,
      detokenizer: model.makeDetokenizer(parser !== null),
      parser,
      tokenBytes: (token) => model.tokenBytes(token),
      stopStrings: stopStrings(body),
      sink: to,
      ...(group === undefined ? {} : { group }),
    });
  };
  const { forks = [], ...first } = request;
  if (forks.length === 0) return [stream(request, sink)];
  const { given, computed } = choiceCounts(body);
  const hasLogprobs = body.logprobs === true;
  const target = given < computed ? new BestOfSink(sink, { given, hasLogprobs }) : sink;
  const group = new ChoiceGroup(request.requestId, target);
  const requests = [first, ...forks.map(({ requestId }) => ({ ...first, requestId }))];
  for (const [choice, own] of requests.entries()) {
    group.add(stream(own, group.sinkOf(choice), group));
  }
  return group.streams;
}
