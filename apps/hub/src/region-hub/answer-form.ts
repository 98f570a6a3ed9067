// Owns what the sinks have to know of a request: the shape of its answer, how many choices, whether usage is streamed.
import {
  CHAT_SHAPE,
  choiceCounts,
  completionChoices,
  textCompletionShape,
  type AnswerShape,
  type HubCompletionRequest,
  type HubRequest,
} from "@fairlane/protocol";

export interface AnswerForm {
  readonly shape: AnswerShape;
  readonly choiceCount: number;
  readonly includeUsage: boolean;
}

/** The form of one answer; of a completion to be used for one only. */
export function answerForm(request: HubRequest | HubCompletionRequest): AnswerForm {
  const includeUsage = request.body.stream_options?.include_usage === true;
  if ("endpoint" in request) {
    const choiceCount = completionChoices(request.body);
    return { shape: textCompletionShape(), choiceCount, includeUsage };
  }
  return { shape: CHAT_SHAPE, choiceCount: choiceCounts(request.body).given, includeUsage };
}
