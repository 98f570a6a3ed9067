// Owns the shapes that answer POST /v1/completions: the JSON body and the chunks of a stream, with log-probabilities in
// the older form of parallel lists. Made anew for each answer, since a chunk's offsets continue those before it.
import {
  usageBody,
  type AnswerChoice,
  type ChatHead,
  type ChunkPart,
  type FinishReason,
  type TokenCounts,
} from "./chat-response.ts";
import type { TokenLogprob } from "./logprobs.ts";

/** One value of each list for each token. */
export interface TextLogprobs {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly number[];
  /** By the token's text; of tokens with one text, which are no UTF-8 of their own, the likeliest. */
  readonly top_logprobs: readonly Readonly<Record<string, number>>[];
  /** Characters (code points) of the answer before the token. */
  readonly text_offset: readonly number[];
}

interface TextChoice {
  readonly text: string;
  readonly index: number;
  readonly logprobs: TextLogprobs | null;
  readonly finish_reason: FinishReason | null;
}

/** The body of a non-streaming answer. */
export interface TextCompletion {
  readonly id: string;
  readonly object: "text_completion";
  readonly created: number;
  readonly model: string;
  readonly choices: readonly TextChoice[];
  readonly usage: ReturnType<typeof usageBody>;
}

interface Whole {
  readonly choices: readonly AnswerChoice[];
  readonly counts: TokenCounts;
}

/** The AnswerShape of one answer. */
export function textCompletionShape() {
  const logprobsOf = textLogprobs();
  return {
    whole: (head: ChatHead, answer: Whole) => wholeOf(head, answer, logprobsOf),
    chunk(head: ChatHead, part: ChunkPart, options: { readonly includeUsage: boolean }) {
      const choice = chunkChoice(part, logprobsOf);
      if (choice === null && part.kind !== "usage") return null;
      const chunk = { ...headOf(head), choices: choice === null ? [] : [choice] };
      if (part.kind === "usage") return { ...chunk, usage: usageBody(part.counts) };
      return options.includeUsage ? { ...chunk, usage: null } : chunk;
    },
  };
}

type LogprobsOf = (
  choice: number,
  entries: readonly TokenLogprob[] | undefined,
) => TextLogprobs | null;

function headOf(head: ChatHead) {
  const { requestId, createdSeconds, model } = head;
  return {
    id: `cmpl-${requestId}`,
    object: "text_completion",
    created: createdSeconds,
    model,
  } as const;
}

function wholeOf(head: ChatHead, answer: Whole, logprobsOf: LogprobsOf): TextCompletion {
  const choices = answer.choices.map(({ text, finishReason, logprobs }, index) => {
    return { text, index, logprobs: logprobsOf(index, logprobs), finish_reason: finishReason };
  });
  return { ...headOf(head), choices, usage: usageBody(answer.counts) };
}

function chunkChoice(part: ChunkPart, logprobsOf: LogprobsOf): TextChoice | null {
  if (part.kind === "text") {
    const { text, choice: index = 0 } = part;
    return { text, index, logprobs: logprobsOf(index, part.logprobs), finish_reason: null };
  }
  if (part.kind !== "finish") return null;
  const { choice: index = 0, finishReason } = part;
  return { text: "", index, logprobs: null, finish_reason: finishReason };
}

/** Turns entries into lists, choice by choice; counts the characters that were before. */
function textLogprobs(): LogprobsOf {
  const charsOf = new Map<number, number>();
  return (choice, entries) => {
    if (entries === undefined) return null;
    let chars = charsOf.get(choice) ?? 0;
    const offsets = entries.map(({ bytes }) => {
      const offset = chars;
      chars += charsBegun(bytes);
      return offset;
    });
    charsOf.set(choice, chars);
    return {
      tokens: entries.map(({ token }) => token),
      token_logprobs: entries.map(({ logprob }) => logprob),
      top_logprobs: entries.map(topOf),
      text_offset: offsets,
    };
  };
}

function topOf({ top_logprobs: top }: TokenLogprob): Readonly<Record<string, number>> {
  // From the least likely on, so that of equal texts the likeliest stays.
  return Object.fromEntries(top.toReversed().map(({ token, logprob }) => [token, logprob]));
}

/** Code points that begin in these bytes of UTF-8: all bytes but those that continue one. */
function charsBegun(bytes: readonly number[]): number {
  return bytes.filter((byte) => (byte & 0xc0) !== 0x80).length;
}
