// Owns what tells a chat's answer from a completion's: whoever writes answers has one of these and knows no endpoint.
import {
  chatChunk,
  chatCompletion,
  type AnswerChoice,
  type ChatHead,
  type ChunkPart,
  type TokenCounts,
} from "./chat-response.ts";
import type { MessageBody } from "../anthropic/message-body.ts";
import type { AnswerEvents } from "./answer-events.ts";
import type { ResponseBody } from "./responses/response-body.ts";
import type { TextCompletion } from "./text-completion.ts";

/** The body of any answer that is not streamed. */
export type AnswerBody =
  ReturnType<typeof chatCompletion> | TextCompletion | ResponseBody | MessageBody;

/** All answers to one request. */
export interface WholeAnswer {
  readonly choices: readonly AnswerChoice[];
  readonly counts: TokenCounts;
  /** The stop string that ended it; absent when none did. */
  readonly stopString?: string | undefined;
}

export interface AnswerShape {
  /** The body of a non-streaming answer. */
  whole(head: ChatHead, answer: WholeAnswer): ReturnType<typeof chatCompletion> | TextCompletion;
  /** A chunk of a stream; null when this shape has none for the part. */
  chunk(
    head: ChatHead,
    part: ChunkPart,
    options: { readonly includeUsage: boolean },
  ): object | null;
}

/** The same of an API whose events belong to one another. There is one answer to a request. */
export interface EventShape {
  whole(head: ChatHead, answer: WholeAnswer): ResponseBody | MessageBody;
  events(head: ChatHead): AnswerEvents;
}

export const CHAT_SHAPE: AnswerShape = { whole: chatCompletion, chunk: chatChunk };
