import { messageText, type ChatMessage, type Tool } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { ChatTemplate } from "./chat-template.ts";
import { withoutTools } from "./tool-prompt.ts";

const TOOL: Tool = {
  type: "function",
  function: {
    name: "now",
    description: "The time.",
    parameters: { type: "object", properties: {} },
  },
};
const CALL = {
  id: "call_1",
  type: "function",
  function: { name: "now", arguments: '{"zone": "UTC"}' },
} as const;
const HISTORY: readonly ChatMessage[] = [
  { role: "user", content: "What time is it?" },
  { role: "assistant", content: "I will look.", tool_calls: [CALL] },
  { role: "tool", content: "12:00", tool_call_id: "call_1" },
];

function template(text: string): ChatTemplate {
  return new ChatTemplate(
    { file: "t", text, bosToken: undefined, eosToken: undefined },
    { nowMs: () => 0 },
  );
}

describe("withoutTools", () => {
  it("describes tools in a system message of its own, or behind the client's", () => {
    const [own, user] = withoutTools({
      messages: [{ role: "user", content: "Hi" }],
      tools: [TOOL],
    });
    expect(own?.role).toBe("system");
    expect(own?.content).toContain(`<tools>\n${JSON.stringify(TOOL)}\n</tools>`);
    expect(user).toEqual({ role: "user", content: "Hi" });
    const [joined, ...rest] = withoutTools({
      messages: [
        { role: "developer", content: "Be brief." },
        { role: "user", content: "Hi" },
      ],
      tools: [TOOL],
    });
    expect(messageText(joined?.content).startsWith("Be brief.\n\n# Tools\n")).toBe(true);
    expect(rest).toHaveLength(1);
  });

  it("writes calls and results of the history as Hermes models know them", () => {
    expect(withoutTools({ messages: HISTORY })).toEqual([
      { role: "user", content: "What time is it?" },
      {
        role: "assistant",
        content:
          'I will look.\n<tool_call>\n{"name": "now", "arguments": {"zone": "UTC"}}\n</tool_call>',
      },
      { role: "user", content: "<tool_response>\n12:00\n</tool_response>" },
    ]);
  });

  it("leaves a chat without tools as it is", () => {
    const messages: ChatMessage[] = [{ role: "user", content: "Hi" }];
    expect(withoutTools({ messages })).toEqual(messages);
  });
});

describe("ChatTemplate with tools", () => {
  it("gives a template that knows tools these, and arguments as objects", () => {
    const knowing = template(
      "{% for t in tools %}[{{ t.function.name }}: {{ t | tojson }}]{% endfor %}" +
        "{% for m in messages %}{{ m.role }}:{{ m.content }}" +
        "{% for c in m.tool_calls or [] %}<{{ c.id }} {{ c.function.name }} {{ c.function.arguments.zone }}>{% endfor %}" +
        "{{ m.tool_call_id }};{% endfor %}",
    );
    expect(knowing.knowsTools).toBe(true);
    const rendered = knowing.render(HISTORY, { tools: [TOOL] });
    expect(rendered).toContain('[now: {"type": "function"');
    expect(rendered).toContain("assistant:I will look.<call_1 now UTC>");
    expect(rendered).toContain("tool:12:00call_1;");
    expect(template("{{ messages }}").knowsTools).toBe(false);
  });
});
