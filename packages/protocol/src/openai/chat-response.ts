// Owns the shapes that answer a chat request: the JSON completion and the chunks of a stream. Pure builders,
// shared by the hub (edge path) and the node's own HTTP server so that both answer alike.

import { choiceLogprobs, type TokenLogprob } from "./logprobs.ts";
import { chunkCall, type ToolCallDelta } from "./tool-call-delta.ts";
import type { ToolCall } from "./tools.ts";

export type FinishReason = "stop" | "length" | "tool_calls";

/** OpenAI's usage object; `cached_tokens` is always present, even 0. */
export interface UsageBody {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

/** What every body of one answer shares. */
export interface ChatHead {
  /** Request id; the completion's id is `chatcmpl-` + it. */
  readonly requestId: string;
  readonly model: string;
  /** Seconds since 1970, as OpenAI has it. */
  readonly createdSeconds: number;
  /** As the node that accepted counted them; absent where nobody asks. */
  readonly promptTokens?: number;
}

export interface TokenCounts {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

export function usageBody(counts: TokenCounts): UsageBody {
  return {
    prompt_tokens: counts.promptTokens,
    completion_tokens: counts.outputTokens,
    total_tokens: counts.promptTokens + counts.outputTokens,
    prompt_tokens_details: { cached_tokens: counts.cachedTokens },
  };
}

/** One of the answers to a request. */
export interface AnswerChoice {
  readonly text: string;
  /** Of an answer with calls, "stop" becomes "tool_calls": it waits for their results. */
  readonly finishReason: FinishReason;
  /** What the model thought before its answer; absent or empty when nothing. */
  readonly reasoning?: string;
  /** Tokens of that; absent where nobody counts. */
  readonly reasoningTokens?: number;
  readonly calls?: readonly ToolCall[];
  /** Absent when none were asked for. */
  readonly logprobs?: readonly TokenLogprob[] | undefined;
}

/** The body of a non-streaming answer. */
export function chatCompletion(
  head: ChatHead,
  answer: { readonly choices: readonly AnswerChoice[]; readonly counts: TokenCounts },
) {
  const choices: readonly ReturnType<typeof completionChoice>[] =
    answer.choices.map(completionChoice);
  return {
    id: `chatcmpl-${head.requestId}`,
    object: "chat.completion",
    created: head.createdSeconds,
    model: head.model,
    choices,
    usage: usageBody(answer.counts),
  } as const;
}

function completionChoice(answer: AnswerChoice, index: number) {
  const { text, reasoning = "", calls = [], logprobs } = answer;
  const message = {
    role: "assistant",
    content: text === "" && calls.length > 0 ? null : text,
    refusal: null,
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  } as const;
  return {
    index,
    message,
    logprobs: choiceLogprobs(logprobs),
    finish_reason: finishReasonOf(answer.finishReason, calls.length > 0),
  } as const;
}

/** An answer that ended by itself with calls waits for their results. */
export function finishReasonOf(reason: FinishReason, hasCalls: boolean): FinishReason {
  return hasCalls && reason === "stop" ? "tool_calls" : reason;
}

/** What one chunk of a stream carries; `choice` counts from 0, which it is when absent. */
export type ChunkPart =
  | { readonly kind: "role"; readonly choice?: number | undefined }
  | {
      readonly kind: "text";
      readonly choice?: number | undefined;
      readonly text: string;
      readonly logprobs?: readonly TokenLogprob[] | undefined;
    }
  | { readonly kind: "reasoning"; readonly choice?: number | undefined; readonly text: string }
  | {
      readonly kind: "calls";
      readonly choice?: number | undefined;
      readonly calls: readonly ToolCallDelta[];
    }
  | {
      readonly kind: "finish";
      readonly choice?: number | undefined;
      readonly finishReason: FinishReason;
    }
  | { readonly kind: "usage"; readonly counts: TokenCounts };

function choicesOf(part: ChunkPart): readonly unknown[] {
  switch (part.kind) {
    case "role":
      return [choice(part.choice, { role: "assistant", content: "" }, null)];
    case "text": {
      const text = choice(part.choice, { content: part.text }, null);
      return [{ ...text, logprobs: choiceLogprobs(part.logprobs) }];
    }
    case "reasoning":
      return [choice(part.choice, { reasoning_content: part.text }, null)];
    case "calls":
      return [choice(part.choice, { tool_calls: part.calls.map(chunkCall) }, null)];
    case "finish":
      return [choice(part.choice, {}, part.finishReason)];
    case "usage":
      return [];
  }
}

function choice(index: number | undefined, delta: object, finishReason: FinishReason | null) {
  return { index: index ?? 0, delta, logprobs: null, finish_reason: finishReason };
}

/** One chunk object. With `includeUsage`, chunks before the usage one carry `usage: null` as OpenAI's do. */
export function chatChunk(
  head: ChatHead,
  part: ChunkPart,
  options: { readonly includeUsage: boolean },
): Record<string, unknown> {
  const chunk = {
    id: `chatcmpl-${head.requestId}`,
    object: "chat.completion.chunk",
    created: head.createdSeconds,
    model: head.model,
    choices: choicesOf(part),
  };
  if (part.kind === "usage") return { ...chunk, usage: usageBody(part.counts) };
  return options.includeUsage ? { ...chunk, usage: null } : chunk;
}
