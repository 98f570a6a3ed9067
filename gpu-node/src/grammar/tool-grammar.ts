// Owns the grammar of answers that may, or have to, call tools, in each format that models were trained to write calls
// in. Arguments follow their tool's schema. How such an answer is read is stream/answer-parser.ts's.
import type { Tool } from "@fairlane/protocol";
import { exprs, type Expr, type Grammar } from "./expr.ts";
import { markedText } from "./free-text.ts";
import { json, JSON_RULES } from "./json-grammar.ts";
import { grammarOfSchema } from "./json-schema.ts";

const { choice, EMPTY, oneOf, optional, repeat, rule, sequence, text } = exprs;

/** Around a call's own members; arguments may have the white space of any JSON. */
const GAP = optional(text(" "));

/** How a model writes calls. */
export type ToolFormat = "hermes" | "llama3" | "mistral";

/** The texts that begin a call; some are control tokens of their models. */
export const TOOL_MARKS = {
  hermes: "<tool_call>",
  llama3: "<|python_tag|>",
  mistral: "[TOOL_CALLS]",
} as const satisfies Record<ToolFormat, string>;

export interface ToolGrammarOptions {
  readonly format: ToolFormat;
  /** Those that may be called. */
  readonly tools: readonly Tool[];
  /** The answer is a call; otherwise it may be text, or text and then calls. */
  readonly isRequired: boolean;
  readonly callsMax: number;
}

/** The grammar of such answers. Throws SchemaError. */
export function toolGrammar(options: ToolGrammarOptions): Grammar {
  const rules: Record<string, Expr> = { ...JSON_RULES };
  const key = options.format === "llama3" ? "parameters" : "arguments";
  const calls = options.tools.map(({ function: tool }, index) => {
    const schema = tool.parameters ?? {
      type: "object",
      properties: {},
      additionalProperties: false,
    };
    const scope = `tool ${index} `;
    const { root, rules: own } = grammarOfSchema(schema, {
      isStrict: tool.strict === true,
      scope,
      place: tool.name,
    });
    Object.assign(rules, own);
    const name = sequence(text('"name":'), GAP, json.literal(tool.name));
    const given = sequence(text(`"${key}":`), GAP, root);
    return sequence(text("{"), name, text(","), GAP, given, text("}"));
  });
  rules["call"] = choice(...calls);
  return { root: answerOf(options, rules), rules };
}

/** The answer in its format; adds the rules that it needs. */
function answerOf(
  { format, isRequired, callsMax }: ToolGrammarOptions,
  rules: Record<string, Expr>,
): Expr {
  const call = rule("call");
  const mark = text(TOOL_MARKS[format]);
  const line = optional(text("\n"));
  const more = (another: Expr): Expr => repeat(another, 0, callsMax - 1);
  switch (format) {
    case "hermes": {
      const rest = sequence(line, call, line, text("</tool_call>"));
      const calls = sequence(rest, more(sequence(line, mark, rest)));
      if (isRequired) return sequence(mark, calls);
      Object.assign(
        rules,
        markedText({ name: "said", mark: TOOL_MARKS.hermes, next: calls, mayEnd: true }),
      );
      return rule("said");
    }
    case "mistral": {
      const comma = sequence(text(","), GAP);
      const calls = sequence(
        optional(text(" ")),
        text("["),
        call,
        more(sequence(comma, call)),
        text("]"),
      );
      if (isRequired) return sequence(mark, calls);
      Object.assign(
        rules,
        markedText({ name: "said", mark: TOOL_MARKS.mistral, next: calls, mayEnd: true }),
      );
      return rule("said");
    }
    case "llama3": {
      const calls = sequence(optional(mark), call, more(sequence(text(";"), GAP, call)));
      if (isRequired) return calls;
      // What begins with a brace is a call, also after white space; so text begins with something else.
      const any: Expr = { kind: "class", ranges: [[0, 255]] };
      const other: Expr = { kind: "class", ranges: OTHER_THAN_BRACE_AND_SPACE };
      const words = sequence(other, repeat(any, 0, null));
      return choice(EMPTY, sequence(repeat(oneOf(" \n"), 0, 2), choice(calls, words)));
    }
  }
}

const OTHER_THAN_BRACE_AND_SPACE = [
  [0x21, 0x3b],
  [0x3d, 0x7a],
  [0x7c, 0xff],
] as const;
