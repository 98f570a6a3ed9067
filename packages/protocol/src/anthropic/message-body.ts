// Owns the message object that answers POST /v1/messages: its blocks, why it stopped, and its usage. What Fairlane has
// no notion of is null, as the official clients expect it to be there.
import type { AnswerChoice, ChatHead, TokenCounts } from "../openai/chat-response.ts";
import type { AnswerEnd } from "../openai/answer-events.ts";

export type StopReason = "end_turn" | "max_tokens" | "stop_sequence" | "tool_use";

export type MessageBlock =
  | { readonly type: "thinking"; readonly thinking: string; readonly signature: string }
  | { readonly type: "text"; readonly text: string; readonly citations: null }
  | {
      readonly type: "tool_use";
      readonly id: string;
      readonly name: string;
      readonly input: unknown;
    };

export interface MessageState {
  readonly content: readonly MessageBlock[];
  readonly stopReason: StopReason | null;
  readonly stopSequence: string | null;
  readonly counts: TokenCounts;
}

/** The object in this state. */
export function messageBody(head: ChatHead, state: MessageState) {
  return {
    id: `msg_${head.requestId.replace(/^req_/, "")}`,
    type: "message",
    role: "assistant",
    model: head.model,
    content: state.content,
    stop_reason: state.stopReason,
    stop_sequence: state.stopSequence,
    stop_details: null,
    container: null,
    diagnostics: null,
    usage: {
      ...countsBody(state.counts),
      cache_creation: null,
      inference_geo: null,
      service_tier: "standard",
      speed: null,
    },
  } as const;
}

export type MessageBody = ReturnType<typeof messageBody>;

/** Anthropic's counts: input tokens are those that no cache had. */
export function countsBody({ promptTokens, cachedTokens, outputTokens }: TokenCounts) {
  return {
    input_tokens: promptTokens - cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: outputTokens,
    output_tokens_details: null,
    server_tool_use: null,
  } as const;
}

/** Why an answer ended. */
export function stopReasonOf(
  end: Pick<AnswerEnd, "finishReason" | "stopString">,
  hasCalls: boolean,
): StopReason {
  if (end.finishReason === "length") return "max_tokens";
  if (end.stopString !== undefined) return "stop_sequence";
  return hasCalls ? "tool_use" : "end_turn";
}

/** The blocks of a complete answer. */
export function messageBlocks(answer: AnswerChoice): readonly MessageBlock[] {
  const { text, reasoning = "", calls = [] } = answer;
  const blocks: MessageBlock[] = [];
  if (reasoning !== "") blocks.push({ type: "thinking", thinking: reasoning, signature: "" });
  if (text !== "") blocks.push({ type: "text", text, citations: null });
  for (const { id, function: called } of calls) {
    const input = inputOf(called.arguments);
    blocks.push({ type: "tool_use", id, name: called.name, input });
  }
  return blocks;
}

/** Arguments that were cut in the middle are no JSON; they are an empty object then. */
export function inputOf(given: string): unknown {
  try {
    return JSON.parse(given);
  } catch {
    return {};
  }
}
