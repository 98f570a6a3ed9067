// Owns turning a conversation of items into the chat that a node computes. Calls of one turn, the text before them and
// the reasoning before that become one message of the assistant, as a chat template wants them.
import { err, ok, type Result } from "@fairlane/base";
import type { ErrorValue } from "../../app-error.ts";
import { MESSAGES_MAX } from "../../limits.ts";
import type { ChatRequest } from "../chat.ts";
import type { ChatMessage } from "../message.ts";
import type { ToolCall } from "../tools.ts";
import { itemText, type InputItem } from "./items.ts";
import { INCLUDE_LOGPROBS, inputItems, type ResponseRequest } from "./request.ts";

/**
 * The chat of a request.
 * @param earlier the items of the responses before it, the oldest first
 */
export function responseChat(
  request: ResponseRequest,
  earlier: readonly InputItem[] = [],
): Result<ChatRequest, ErrorValue> {
  const { instructions, text, tools, tool_choice: choice } = request;
  const turns = messagesOf([...earlier, ...inputItems(request)]);
  const messages: ChatMessage[] =
    instructions === undefined || instructions === null
      ? turns
      : [{ role: "system", content: instructions }, ...turns];
  if (messages.length > MESSAGES_MAX) return err(tooLong(request, messages.length));
  if (messages.length === 0) return err(nothingSaid());
  const hasLogprobs =
    request.include?.includes(INCLUDE_LOGPROBS) || (request.top_logprobs ?? 0) > 0;
  return ok({
    messages,
    ...(request.model === undefined ? {} : { model: request.model }),
    ...(tools?.length ? { tools: tools.map(chatTool) } : {}),
    ...(choice === undefined || choice === null ? {} : { tool_choice: chatChoice(choice) }),
    ...copied(request, ["parallel_tool_calls", "temperature", "top_p", "stream"]),
    ...(request.max_output_tokens ? { max_completion_tokens: request.max_output_tokens } : {}),
    ...(text?.format ? { response_format: chatFormat(text.format) } : {}),
    ...(hasLogprobs ? { logprobs: true, top_logprobs: request.top_logprobs ?? 0 } : {}),
  });
}

function copied<Key extends keyof ResponseRequest>(
  request: ResponseRequest,
  keys: readonly Key[],
): Partial<Pick<ResponseRequest, Key>> {
  const given = keys.filter((key) => request[key] !== undefined && request[key] !== null);
  return Object.fromEntries(given.map((key) => [key, request[key]])) as Partial<
    Pick<ResponseRequest, Key>
  >;
}

/** One turn of the assistant while its items are read. */
interface Turn {
  reasoning: string;
  content: string | null;
  readonly calls: ToolCall[];
}

function messagesOf(items: readonly InputItem[]): ChatMessage[] {
  const messages: ChatMessage[] = [];
  let turn: Turn | undefined;
  const endTurn = (): void => {
    // Reasoning alone says nothing to the model that it would not think again.
    if (turn && (turn.content !== null || turn.calls.length > 0)) messages.push(assistant(turn));
    turn = undefined;
  };
  for (const item of items) {
    if (item.type === "function_call_output") {
      endTurn();
      messages.push({
        role: "tool",
        tool_call_id: item.call_id,
        content: itemText(item.output),
      });
    } else if (item.type === "function_call") {
      turn ??= { reasoning: "", content: null, calls: [] };
      const { call_id: id, name, arguments: given } = item;
      turn.calls.push({ id, type: "function", function: { name, arguments: given } });
    } else if (item.type === "reasoning") {
      endTurn();
      const reasoning = (item.content ?? []).map((part) => part.text).join("");
      turn = { reasoning, content: null, calls: [] };
    } else if (item.role === "assistant") {
      if (turn && (turn.content !== null || turn.calls.length > 0)) endTurn();
      turn ??= { reasoning: "", content: null, calls: [] };
      turn.content = itemText(item.content);
    } else {
      endTurn();
      messages.push({ role: item.role, content: itemText(item.content) });
    }
  }
  endTurn();
  return messages;
}

function assistant({ reasoning, content, calls }: Turn): ChatMessage {
  return {
    role: "assistant",
    content,
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
  };
}

type Tool = NonNullable<ResponseRequest["tools"]>[number];

function chatTool({ name, description, parameters, strict }: Tool) {
  return {
    type: "function" as const,
    function: {
      name,
      ...(description === undefined || description === null ? {} : { description }),
      ...(parameters === undefined ? {} : { parameters }),
      ...(strict === undefined ? {} : { strict }),
    },
  };
}

function chatChoice(choice: NonNullable<ResponseRequest["tool_choice"]>) {
  if (typeof choice === "string") return choice;
  return { type: "function" as const, function: { name: choice.name } };
}

type Format = NonNullable<NonNullable<ResponseRequest["text"]>["format"]>;

function chatFormat(format: Format): NonNullable<ChatRequest["response_format"]> {
  if (format.type !== "json_schema") return format;
  const { type, ...schema } = format;
  return { type, json_schema: schema };
}

function tooLong({ previous_response_id: before }: ResponseRequest, count: number): ErrorValue {
  const message = `The conversation has ${count} messages, at most ${MESSAGES_MAX} are taken.`;
  return {
    code: "array_above_max_length",
    message,
    param: before ? "previous_response_id" : "input",
  };
}

function nothingSaid(): ErrorValue {
  return { code: "empty_array", message: "The conversation has no message.", param: "input" };
}
