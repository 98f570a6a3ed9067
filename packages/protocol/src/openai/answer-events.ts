// Owns the interface of an event stream whose events belong to one another, unlike OpenAI's chunks: the Responses API
// and Messages open and close items and blocks. One object writes the events of one answer; each call gives text.
import type { MessageBody } from "../anthropic/message-body.ts";
import type { ErrorValue } from "../app-error.ts";
import type { FinishReason, TokenCounts } from "./chat-response.ts";
import type { TokenLogprob } from "./logprobs.ts";
import type { ResponseBody } from "./responses/response-body.ts";
import type { ToolCallDelta } from "./tool-call-delta.ts";

/** What a step adds to an answer. */
export interface AnswerDelta {
  readonly text: string;
  /** What the model thought before its answer. */
  readonly reasoning?: string | undefined;
  readonly calls?: readonly ToolCallDelta[] | undefined;
  readonly logprobs?: readonly TokenLogprob[] | undefined;
}

/** How an answer ended. */
export interface AnswerEnd {
  readonly finishReason: FinishReason;
  readonly counts: TokenCounts;
  /** The stop string that ended it; absent when none did. */
  readonly stopString?: string | undefined;
}

export interface AnswerEvents {
  /** What opens the stream, once a node has accepted the request. */
  begin(): string;
  /** @param tokenIndex of the last token of the delta; the `id` of its events */
  delta(delta: AnswerDelta, tokenIndex: number): string;
  end(end: AnswerEnd): string;
  /** What ends a stream that cannot go on. @param counts of what was served */
  failure(error: ErrorValue, counts: TokenCounts): string;
  /** The reader left: nothing is said any more, but `whole` knows. */
  abandon(): void;
  /** The answer as one object, as far as it got. */
  whole(): ResponseBody | MessageBody;
}
