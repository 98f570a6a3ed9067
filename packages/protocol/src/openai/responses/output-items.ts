// Owns the items of an answer: reasoning, then a message, then calls. Ids are made of the request's, so that they are
// unique and the same however the answer is read.
import type { AnswerChoice } from "../chat-response.ts";
import type { TokenLogprob } from "../logprobs.ts";
import type { ToolCall } from "../tools.ts";

type ItemStatus = "in_progress" | "completed" | "incomplete";

export interface MessageOutput {
  readonly id: string;
  readonly type: "message";
  readonly status: ItemStatus;
  readonly role: "assistant";
  readonly content: readonly ReturnType<typeof outputText>[];
}

export interface CallOutput {
  readonly id: string;
  readonly type: "function_call";
  readonly status: ItemStatus;
  readonly call_id: string;
  readonly name: string;
  readonly arguments: string;
}

export interface ReasoningOutput {
  readonly id: string;
  readonly type: "reasoning";
  readonly status: ItemStatus;
  readonly summary: readonly never[];
  readonly content: readonly { readonly type: "reasoning_text"; readonly text: string }[];
}

export type OutputItem = MessageOutput | CallOutput | ReasoningOutput;

const PREFIXES = { message: "msg", function_call: "fc", reasoning: "rs" } as const;

/** The id of an item. */
export function itemId(requestId: string, type: OutputItem["type"], outputIndex: number): string {
  return `${PREFIXES[type]}_${requestId.replace(/^req_/, "")}_${outputIndex}`;
}

export function outputText(text: string, logprobs: readonly TokenLogprob[] = []) {
  return { type: "output_text", text, annotations: [], logprobs } as const;
}

/** All items of a complete answer; one without anything is an empty message. */
export function outputItems(requestId: string, answer: AnswerChoice): readonly OutputItem[] {
  const { text, reasoning = "", calls = [], logprobs, finishReason } = answer;
  const items: OutputItem[] = [];
  const idOf = (type: OutputItem["type"]) => itemId(requestId, type, items.length);
  if (reasoning !== "") {
    const content = [{ type: "reasoning_text", text: reasoning }] as const;
    const type = "reasoning";
    items.push({ id: idOf(type), type, status: "completed", summary: [], content });
  }
  if (text !== "" || calls.length === 0) {
    const content = [outputText(text, logprobs)];
    const type = "message";
    items.push({ id: idOf(type), type, status: "completed", role: "assistant", content });
  }
  for (const call of calls) items.push(callItem(idOf("function_call"), call));
  const last = items.at(-1);
  // What was cut is the item that was being said.
  if (finishReason === "length" && last)
    items[items.length - 1] = { ...last, status: "incomplete" };
  return items;
}

function callItem(id: string, { id: callId, function: called }: ToolCall): CallOutput {
  const { name, arguments: given } = called;
  return {
    id,
    type: "function_call",
    status: "completed",
    call_id: callId,
    name,
    arguments: given,
  };
}
