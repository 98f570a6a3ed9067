// Owns turning a request of the Messages API into the chat that a node computes. Results of tools become messages of
// their own, calls and text of one turn one message of the assistant.
import type { ChatRequest } from "../openai/chat.ts";
import type { ChatMessage } from "../openai/message.ts";
import { textOf, type MessageParam } from "./content.ts";
import type { CountTokensRequest, MessageRequest } from "./request.ts";

/** The chat of a request. */
export function messageChat(request: MessageRequest): ChatRequest {
  const { stop_sequences: stop, temperature, top_p, top_k, stream } = request;
  return {
    ...promptChat(request),
    max_completion_tokens: request.max_tokens,
    ...(stop?.length ? { stop } : {}),
    ...(temperature === undefined ? {} : { temperature }),
    ...(top_p === undefined ? {} : { top_p }),
    ...(top_k === undefined ? {} : { top_k }),
    ...(stream === undefined ? {} : { stream }),
  };
}

/** What of it becomes the prompt. */
export function promptChat(request: CountTokensRequest): ChatRequest {
  const { model, tools, tool_choice: choice, output_config: output } = request;
  const system = textOf(request.system);
  const turns = request.messages.flatMap(turnsOf);
  return {
    model,
    messages: system === "" ? turns : [{ role: "system", content: system }, ...turns],
    ...(tools?.length ? { tools: tools.map(chatTool) } : {}),
    ...(choice === undefined ? {} : chatChoice(choice)),
    ...(output?.format
      ? {
          response_format: {
            type: "json_schema",
            json_schema: { name: "answer", schema: output.format.schema },
          },
        }
      : {}),
  };
}

function turnsOf(message: MessageParam): ChatMessage[] {
  const { role, content } = message;
  if (typeof content === "string") return [{ role, content }];
  if (role === "system") return [{ role, content: textOf(content) }];
  if (role === "assistant") return [assistantTurn(content)];
  return userTurns(content);
}

type BlocksOf<Role extends MessageParam["role"]> = Exclude<
  Extract<MessageParam, { role: Role }>["content"],
  string
>;

function assistantTurn(blocks: BlocksOf<"assistant">): ChatMessage {
  let text: string | null = null;
  let reasoning = "";
  const calls = [];
  for (const block of blocks) {
    if (block.type === "text") text = (text ?? "") + block.text;
    else if (block.type === "thinking") reasoning += block.thinking;
    else {
      const { id, name, input } = block;
      const called = { name, arguments: JSON.stringify(input) };
      calls.push({ id, type: "function" as const, function: called });
    }
  }
  return {
    role: "assistant",
    content: calls.length === 0 ? (text ?? "") : text,
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
  };
}

/** Text between two results is a message of its own, so that the order stays. */
function userTurns(blocks: BlocksOf<"user">): ChatMessage[] {
  const turns: ChatMessage[] = [];
  let said: string[] = [];
  const endText = (): void => {
    if (said.length > 0) turns.push({ role: "user", content: said.join("") });
    said = [];
  };
  for (const block of blocks) {
    if (block.type === "text") said.push(block.text);
    else {
      endText();
      const { tool_use_id, content } = block;
      turns.push({ role: "tool", tool_call_id: tool_use_id, content: textOf(content) });
    }
  }
  endText();
  return turns;
}

function chatTool(tool: NonNullable<CountTokensRequest["tools"]>[number]) {
  const { name, description, input_schema: parameters, strict } = tool;
  return {
    type: "function" as const,
    function: {
      name,
      ...(description === undefined ? {} : { description }),
      parameters,
      ...(strict === undefined ? {} : { strict }),
    },
  };
}

function chatChoice(
  choice: NonNullable<CountTokensRequest["tool_choice"]>,
): Pick<ChatRequest, "tool_choice" | "parallel_tool_calls"> {
  if (choice.type === "none") return { tool_choice: "none" };
  const isOne = choice.disable_parallel_tool_use === true ? { parallel_tool_calls: false } : {};
  if (choice.type === "auto") return { tool_choice: "auto", ...isOne };
  if (choice.type === "any") return { tool_choice: "required", ...isOne };
  return { tool_choice: { type: "function", function: { name: choice.name } }, ...isOne };
}
