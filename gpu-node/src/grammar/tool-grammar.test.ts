import type { Tool } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { afterReasoning } from "./after-reasoning.ts";
import { Automaton } from "./automaton.ts";
import type { Grammar } from "./expr.ts";
import { toolGrammar, type ToolGrammarOptions } from "./tool-grammar.ts";

const TOOLS: readonly Tool[] = [
  {
    type: "function",
    function: {
      name: "weather",
      parameters: {
        type: "object",
        properties: { city: { enum: ["Paris", "Bonn"] } },
        required: ["city"],
      },
    },
  },
  { type: "function", function: { name: "now" } },
];
const PARIS = '{"name": "weather", "arguments": {"city": "Paris"}}';
const NOW = '{"name": "now", "arguments": {}}';

function accepted(grammar: Grammar, texts: readonly string[]): string[] {
  const automaton = new Automaton(grammar);
  return texts.filter((text) => {
    let state = automaton.start;
    for (const byte of Buffer.from(text)) state = automaton.next(state, byte);
    return automaton.isAccepting(state);
  });
}

function taken(options: Partial<ToolGrammarOptions>, texts: readonly string[]): string[] {
  const all = {
    format: "hermes",
    tools: TOOLS,
    isRequired: true,
    callsMax: 2,
    ...options,
  } as const;
  return accepted(toolGrammar(all), texts);
}

describe("toolGrammar", () => {
  it("wants a call of a known tool with valid arguments when one is required", () => {
    const good = [
      `<tool_call>\n${PARIS}\n</tool_call>`,
      `<tool_call>${NOW}</tool_call>\n<tool_call>${PARIS}</tool_call>`,
    ];
    const bad = [
      "",
      "text",
      `text <tool_call>${NOW}</tool_call>`,
      `<tool_call>${PARIS.replace("Paris", "Rome")}</tool_call>`,
      `<tool_call>${NOW.replace("now", "then")}</tool_call>`,
      `<tool_call>${NOW.replace("{}", '{"x": 1}')}</tool_call>`,
      `<tool_call>${NOW}</tool_call>`.repeat(3),
    ];
    expect(taken({}, [...good, ...bad])).toEqual(good);
    expect(taken({ callsMax: 1 }, good)).toEqual([good[0]]);
  });

  it("takes any text as well when none is required, and after its mark only a call", () => {
    const good = [
      "",
      "Text with <tool and <tool_calls.",
      "日本",
      `Let me see. <tool_call>${NOW}</tool_call>`,
    ];
    const bad = [
      "<tool_call>",
      "<tool_call>no</tool_call>",
      `<tool_call>${NOW}</tool_call> and more`,
    ];
    expect(taken({ isRequired: false }, [...good, ...bad])).toEqual(good);
  });

  it("knows Mistral's list", () => {
    const good = [`[TOOL_CALLS][${NOW}]`, `[TOOL_CALLS] [${NOW}, ${PARIS}]`];
    expect(taken({ format: "mistral" }, [...good, NOW, `[TOOL_CALLS][]`])).toEqual(good);
    expect(
      taken({ format: "mistral", isRequired: false }, ["Just text.", "[TOOL_CALLS]text"]),
    ).toEqual(["Just text."]);
  });

  it("knows Llama 3's bare objects", () => {
    const call = NOW.replace("arguments", "parameters");
    const good = [call, `<|python_tag|>${call}`, `${call}; ${call}`];
    expect(taken({ format: "llama3" }, [...good, NOW, "text"])).toEqual(good);
    const free = ["", "Text, {braces} later.", call];
    expect(taken({ format: "llama3", isRequired: false }, [...free, "{text}", "<text>"])).toEqual(
      free,
    );
  });

  it("keeps the rules of tools with like schemas apart, and names the tool at fault", () => {
    const one = (name: string, type: string): Tool => {
      return {
        type: "function",
        function: {
          name,
          strict: true,
          parameters: { type: "object", properties: { a: { type } }, required: ["a"] },
        },
      };
    };
    const tools = [one("x", "integer"), one("y", "boolean")];
    const call = (name: string, value: string) =>
      `<tool_call>{"name": "${name}", "arguments": {"a": ${value}}}</tool_call>`;
    const texts = [call("x", "1"), call("x", "true"), call("y", "1"), call("y", "true")];
    expect(taken({ tools }, texts)).toEqual([texts[0], texts[3]]);
    expect(() => taken({ tools: [one("z", "word")] }, [])).toThrow(
      "at 'z/properties/a': type \"word\"",
    );
  });

  it("lets models think first", () => {
    const grammar = toolGrammar({ format: "hermes", tools: TOOLS, isRequired: true, callsMax: 1 });
    const call = `<tool_call>${NOW}</tool_call>`;
    const marked = [call, `<think>Hm </thin> <tool_call></think>\n\n${call}`];
    expect(
      accepted(afterReasoning(grammar, "marked"), [...marked, "<think></think>", `<think>${call}`]),
    ).toEqual(marked);
    const open = [`Hm.</think>${call}`];
    expect(accepted(afterReasoning(grammar, "open"), [...open, call])).toEqual(open);
    expect(afterReasoning(grammar, null)).toEqual(grammar);
  });
});
