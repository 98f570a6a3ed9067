import type { ToolCall } from "@fairlane/protocol";
import { addCallDelta } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { AnswerParser, type AnswerFormat, type AnswerPart } from "./answer-parser.ts";

interface Golden {
  readonly name: string;
  readonly format: AnswerFormat;
  readonly text: string;
  readonly content: string;
  readonly reasoning?: string;
  /** Name and arguments. */
  readonly calls?: readonly (readonly [string, string])[];
}

const HERMES: AnswerFormat = { tools: "hermes", reasoning: null };
const QWEN3: AnswerFormat = { tools: "hermes", reasoning: "marked" };
const LLAMA3: AnswerFormat = { tools: "llama3", reasoning: null };
const MISTRAL: AnswerFormat = { tools: "mistral", reasoning: null };
const WEATHER = '{"city": "Köln \\"}\\" </tool_call>", "days": [1, {"x": null}]}';

// As models of each format were trained to write.
const GOLDENS: readonly Golden[] = [
  {
    name: "plain text",
    format: HERMES,
    text: "  Just text, 1 < 2 <tool",
    content: "  Just text, 1 < 2 <tool",
  },
  {
    name: "Hermes: text and one call",
    format: HERMES,
    text: `I will look.\n<tool_call>\n{"name": "get_weather", "arguments": ${WEATHER}}\n</tool_call>`,
    content: "I will look.\n",
    calls: [["get_weather", WEATHER]],
  },
  {
    name: "Hermes: two calls, arguments before the name, none at all",
    format: HERMES,
    text: '<tool_call>{"arguments": {"a": 1}, "name": "first"}</tool_call>\n<tool_call>\n{"name": "second"}\n</tool_call>\n',
    content: "",
    calls: [
      ["first", '{"a": 1}'],
      ["second", "{}"],
    ],
  },
  {
    name: "Qwen3: reasoning, then a call",
    format: QWEN3,
    text: '<think>\nA tool? < yes </thin no\n</think>\n\n<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>',
    content: "",
    reasoning: "\nA tool? < yes </thin no\n",
    calls: [["f", "{}"]],
  },
  {
    name: "reasoning, then text",
    format: { tools: null, reasoning: "marked" },
    text: "<think>Hm.</think>\n\nThe answer <think>stays</think>.",
    content: "The answer <think>stays</think>.",
    reasoning: "Hm.",
  },
  {
    name: "reasoning that the prompt opened",
    format: { tools: null, reasoning: "open" },
    text: "Let me see.\n</think>\n\nIt is 4.",
    content: "It is 4.",
    reasoning: "Let me see.\n",
  },
  {
    name: "reasoning that was cut",
    format: { tools: null, reasoning: "open" },
    text: "Let me see.\n</thi",
    content: "",
    reasoning: "Let me see.\n</thi",
  },
  {
    name: "Llama 3: a call alone",
    format: LLAMA3,
    text: '{"name": "get_weather", "parameters": {"city": "Paris"}}',
    content: "",
    calls: [["get_weather", '{"city": "Paris"}']],
  },
  {
    name: "Llama 3: python tag and two calls",
    format: LLAMA3,
    text: '<|python_tag|>{"name": "a", "parameters": {"x": "{[;"}}; {"name": "b", "parameters": {}}',
    content: "",
    calls: [
      ["a", '{"x": "{[;"}'],
      ["b", "{}"],
    ],
  },
  {
    name: "Llama 3: text with a brace in it",
    format: LLAMA3,
    text: 'It is {"name": 1}.',
    content: 'It is {"name": 1}.',
  },
  {
    name: "Mistral: a list of calls",
    format: MISTRAL,
    text: '[TOOL_CALLS] [{"name": "a", "arguments": {"list": [1, 2]}}, {"name": "b", "arguments": {"s": "]"}}]',
    content: "",
    calls: [
      ["a", '{"list": [1, 2]}'],
      ["b", '{"s": "]"}'],
    ],
  },
  {
    name: "a call that was cut",
    format: HERMES,
    text: '<tool_call>\n{"name": "f", "arguments": {"city": "Par',
    content: "",
    calls: [["f", '{"city": "Par']],
  },
];

/** What the pieces of a text make, joined; and the pieces. */
function read(format: AnswerFormat, pieces: readonly string[]) {
  let idCount = 0;
  const parser = new AnswerParser(format, () => `call_${idCount++}`);
  const parts: AnswerPart[] = [...pieces.map((piece) => parser.push(piece)), parser.flush()];
  const calls: ToolCall[] = [];
  for (const part of parts) for (const call of part.calls) addCallDelta(calls, call);
  return {
    parts,
    joined: {
      content: parts.map(({ content }) => content).join(""),
      reasoning: parts.map(({ reasoning }) => reasoning).join(""),
      calls,
    },
  };
}

describe("AnswerParser", () => {
  it.each(GOLDENS)(
    "reads $name, however it is cut",
    ({ format, text, content, reasoning = "", calls = [] }) => {
      const expected = {
        content,
        reasoning,
        calls: calls.map(([name, given], index) => ({
          id: `call_${index}`,
          type: "function",
          function: { name, arguments: given },
        })),
      };
      expect(read(format, [text]).joined).toEqual(expected);
      expect(read(format, Array.from(text)).joined).toEqual(expected);
      for (let first = 0; first < text.length; first++) {
        expect(read(format, [text.slice(0, first), text.slice(first)]).joined).toEqual(expected);
      }
    },
  );

  it("streams arguments as they come, after a first piece with id and name", () => {
    const text = '<tool_call>\n{"name": "f", "arguments": {"a": 12}}\n</tool_call>';
    const { parts } = read(HERMES, Array.from(text));
    const pieces = parts.flatMap(({ calls }) => calls);
    expect(pieces[0]).toEqual({ index: 0, id: "call_0", name: "f" });
    expect(pieces.slice(1)).toEqual(
      Array.from('{"a": 12}', (given) => ({ index: 0, arguments: given })),
    );
  });

  it("lets text out at once, but for what may begin a mark", () => {
    const { parts } = read(HERMES, ["abc", " <", "tool", "ed>", " <tool_call", "x"]);
    expect(parts.map(({ content }) => content)).toEqual([
      "abc",
      " ",
      "",
      "<tooled>",
      " ",
      "<tool_callx",
      "",
    ]);
  });

  it("knows whether there are calls", () => {
    const parser = new AnswerParser(HERMES, () => "id");
    parser.push("<tool_call>{");
    expect(parser.hasCalls).toBe(false);
    parser.push('"name": "f",');
    expect(parser.hasCalls).toBe(true);
  });
});
