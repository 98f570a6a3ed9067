// Owns what tells a chat's answer from a completion's: whoever writes answers has one of these and knows no endpoint.
import {
  chatChunk,
  chatCompletion,
  type AnswerChoice,
  type ChatHead,
  type ChunkPart,
  type TokenCounts,
} from "./chat-response.ts";
import type { TextCompletion } from "./text-completion.ts";

export interface AnswerShape {
  /** The body of a non-streaming answer. */
  whole(
    head: ChatHead,
    answer: { readonly choices: readonly AnswerChoice[]; readonly counts: TokenCounts },
  ): ReturnType<typeof chatCompletion> | TextCompletion;
  /** A chunk of a stream; null when this shape has none for the part. */
  chunk(
    head: ChatHead,
    part: ChunkPart,
    options: { readonly includeUsage: boolean },
  ): object | null;
}

export const CHAT_SHAPE: AnswerShape = { whole: chatCompletion, chunk: chatChunk };
