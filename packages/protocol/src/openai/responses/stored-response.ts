// Owns what is retained of a response, in two objects: its input, which the edge writes before a node has it, and its
// answer, which the hub writes when there is no more of it. Both are JSON; a response exists once its answer does.
import type { InputItem } from "./items.ts";
import type { OutputItem } from "./output-items.ts";
import type { ResponseBody } from "./response-body.ts";

export interface StoredInput {
  /** Keys of other projects of the tenant do not see it. */
  readonly projectId: string;
  /** Of this response alone. */
  readonly input: readonly InputItem[];
  /** Of those before it, with their answers, the oldest first. */
  readonly earlier: readonly InputItem[];
}

export interface StoredAnswer {
  readonly projectId: string;
  readonly response: ResponseBody;
}

/** The names of a response's two objects among the retained ones of kind `response`. */
export function storedNames(responseId: string): {
  readonly input: string;
  readonly answer: string;
} {
  return { input: `${responseId}-input`, answer: `${responseId}-answer` };
}

/** Whether a client's text can be the id of a response. */
export function isResponseId(text: string): boolean {
  return /^resp_[0-9a-z]{26}$/.test(text);
}

/** Everything that was said up to and with a response, as the input of one that follows it. */
export function conversationOf(input: StoredInput, answer: StoredAnswer): InputItem[] {
  return [...input.earlier, ...input.input, ...answerItems(answer.response)];
}

/** What an answer says, as the input of one that follows it. */
export function answerItems({ output }: Pick<ResponseBody, "output">): InputItem[] {
  return output.map(asInput);
}

function asInput(item: OutputItem): InputItem {
  if (item.type === "function_call") return item;
  if (item.type === "reasoning") return { ...item, summary: [], content: [...item.content] };
  const content = item.content.map(({ type, text }) => ({ type, text }));
  return { type: item.type, role: item.role, id: item.id, status: item.status, content };
}
