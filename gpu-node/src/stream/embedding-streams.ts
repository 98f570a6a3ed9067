// Owns the making of the streams of an embeddings request: one per input, all into one sink. No text comes of them.
import type { EngineRequest } from "../engine/worker-messages.ts";
import { ChoiceGroup } from "./choice-group.ts";
import { TokenStream, type AnswerSink, type StreamSink } from "./token-stream.ts";

const NO_TEXT = { push: () => "", flush: () => "" };
const NO_BYTES = new Uint8Array();

/** The streams, in the order of the inputs. */
export function embeddingStreams(
  requestId: string,
  requests: readonly EngineRequest[],
  sink: AnswerSink,
): readonly TokenStream[] {
  const stream = (request: EngineRequest, to: StreamSink, group?: ChoiceGroup): TokenStream =>
    new TokenStream({
      request,
      detokenizer: NO_TEXT,
      tokenBytes: () => NO_BYTES,
      sink: to,
      ...(group === undefined ? {} : { group }),
    });
  const [only] = requests;
  if (only !== undefined && requests.length === 1) return [stream(only, sink)];
  const group = new ChoiceGroup(requestId, sink, { choicesPerPrompt: 1 });
  for (const [index, request] of requests.entries()) {
    group.add(stream(request, group.sinkOf(index), group));
  }
  return group.streams;
}
