// Owns how tools, calls and results get into the prompt of a model whose chat template knows nothing of tools: a preamble
// in the system message and the tags that Hermes models were trained on. Templates that know tools get them as they are.
import { messageText, type ChatMessage, type Tool } from "@fairlane/protocol";

/** What a template is rendered with. */
export interface ChatPrompt {
  readonly messages: readonly ChatMessage[];
  /** Those that the model may call; absent when there are none. */
  readonly tools?: readonly Tool[] | undefined;
}

/** The chat in plain messages, for a template without tools. */
export function withoutTools({ messages, tools }: ChatPrompt): ChatMessage[] {
  const plain = messages.map((message): ChatMessage => {
    if (message.role === "tool") return { role: "user", content: resultText(message) };
    if (message.tool_calls === undefined) return message;
    const { role, content, tool_calls } = message;
    const calls = tool_calls.map(({ function: { name, arguments: given } }) => {
      return `<tool_call>\n{"name": ${JSON.stringify(name)}, "arguments": ${given}}\n</tool_call>`;
    });
    const said = messageText(content);
    return { role, content: [...(said === "" ? [] : [said]), ...calls].join("\n") };
  });
  if (tools === undefined || tools.length === 0) return plain;
  const [first, ...rest] = plain;
  const isSystem = first?.role === "system" || first?.role === "developer";
  const before = isSystem ? `${messageText(first.content)}\n\n` : "";
  const system: ChatMessage = { role: "system", content: before + preamble(tools) };
  return [system, ...(isSystem ? rest : plain)];
}

function resultText({ content }: ChatMessage): string {
  return `<tool_response>\n${messageText(content)}\n</tool_response>`;
}

function preamble(tools: readonly Tool[]): string {
  const described = tools.map((tool) => JSON.stringify(tool)).join("\n");
  return [
    "# Tools",
    "",
    "You may call these functions:",
    "<tools>",
    described,
    "</tools>",
    "",
    "To call one, answer with its name and its arguments as JSON:",
    "<tool_call>",
    '{"name": <function-name>, "arguments": <arguments-object>}',
    "</tool_call>",
  ].join("\n");
}
