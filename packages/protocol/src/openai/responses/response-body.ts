// Owns the response object: what of it the request fixes, and the whole at any state of the answer.
import type { ErrorValue } from "../../app-error.ts";
import type { ChatHead, FinishReason, TokenCounts } from "../chat-response.ts";
import type { OutputItem } from "./output-items.ts";
import type { ResponseRequest } from "./request.ts";

export type ResponseStatus = "in_progress" | "completed" | "incomplete" | "failed" | "cancelled";

/** What the answer repeats of its request. */
export interface ResponseEcho {
  readonly instructions: string | null;
  readonly max_output_tokens: number | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly parallel_tool_calls: boolean;
  readonly previous_response_id: string | null;
  readonly prompt_cache_key: string | null;
  readonly safety_identifier: string | null;
  readonly store: boolean;
  readonly temperature: number;
  readonly text: { readonly format: object };
  readonly tool_choice: string | object;
  readonly tools: readonly object[];
  readonly top_logprobs: number;
  readonly top_p: number;
  readonly user: string | null;
}

export function responseEcho(request: ResponseRequest): ResponseEcho {
  return {
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    metadata: request.metadata ?? {},
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    previous_response_id: request.previous_response_id ?? null,
    prompt_cache_key: request.prompt_cache_key ?? null,
    safety_identifier: request.safety_identifier ?? null,
    store: request.store ?? true,
    temperature: request.temperature ?? 1,
    text: { format: request.text?.format ?? { type: "text" } },
    tool_choice: request.tool_choice ?? "auto",
    tools: (request.tools ?? []).map(echoedTool),
    top_logprobs: request.top_logprobs ?? 0,
    top_p: request.top_p ?? 1,
    user: request.user ?? null,
  };
}

function echoedTool(tool: NonNullable<ResponseRequest["tools"]>[number]) {
  const { type, name, description = null, parameters = null, strict = false } = tool;
  return { type, name, description, parameters, strict };
}

/** The id of a request's response. */
export function responseIdOf(requestId: string): string {
  return `resp_${requestId.replace(/^req_/, "")}`;
}

/** Where an answer stands. */
export interface ResponseState {
  readonly status: ResponseStatus;
  readonly output: readonly OutputItem[];
  readonly counts?: TokenCounts | undefined;
  readonly reasoningTokens?: number | undefined;
  readonly error?: ErrorValue | undefined;
}

/** The object in this state; `null` stands where a state has nothing to say, as in OpenAI's. */
export function responseBody(head: ChatHead, echo: ResponseEcho, state: ResponseState) {
  const { status, output, counts, error } = state;
  return {
    id: responseIdOf(head.requestId),
    object: "response",
    created_at: head.createdSeconds,
    status,
    background: false,
    error: error === undefined ? null : { code: error.code, message: error.message },
    incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
    model: head.model,
    output,
    max_tool_calls: null,
    reasoning: { effort: null, summary: null },
    service_tier: "default",
    truncation: "disabled",
    usage: counts === undefined ? null : usageOf(counts, state.reasoningTokens ?? 0),
    ...echo,
  } as const;
}

export type ResponseBody = ReturnType<typeof responseBody>;

/** How an answer that ended by itself is called. */
export function statusOf(reason: FinishReason): "completed" | "incomplete" {
  return reason === "length" ? "incomplete" : "completed";
}

function usageOf(counts: TokenCounts, reasoningTokens: number) {
  const { promptTokens, cachedTokens, outputTokens } = counts;
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: promptTokens + outputTokens,
  } as const;
}
