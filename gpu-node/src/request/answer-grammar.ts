// Owns which grammar an answer has to follow, made of a request's fields; grammars of late requests are kept, since most
// clients send one schema again and again. Invariant: a grammar that leaves here has been compiled once, so that the
// engine's thread refuses none of them.
import { err, ok, type Result } from "@fairlane/base";
import type { ChatRequest, ErrorValue, Tool } from "@fairlane/protocol";
import { afterReasoning } from "../grammar/after-reasoning.ts";
import { Automaton } from "../grammar/automaton.ts";
import { GrammarLimitError } from "../grammar/grammar-nodes.ts";
import type { Grammar } from "../grammar/expr.ts";
import type { AnswerGrammar } from "../grammar/grammar-store.ts";
import { json, JSON_RULES } from "../grammar/json-grammar.ts";
import { grammarOfSchema } from "../grammar/json-schema.ts";
import { toolGrammar } from "../grammar/tool-grammar.ts";
import { SchemaError } from "../grammar/schema-node.ts";
import { KEPT_GRAMMARS_MAX, PARALLEL_CALLS_MAX } from "./limits.ts";
import type { ModelFormats } from "./model-formats.ts";

type Outcome = Result<AnswerGrammar, ErrorValue>;

const JSON_OBJECT: Grammar = { root: json.OBJECT, rules: JSON_RULES };

export class AnswerGrammars {
  /** By what they are made of; the one used longest ago first. */
  readonly #kept = new Map<string, Outcome>();
  readonly #formats: ModelFormats;

  constructor(formats: ModelFormats) {
    this.#formats = formats;
  }

  /** The grammar that the request's tools or its response_format ask for; null for free text. */
  of(body: ChatRequest): Result<AnswerGrammar | null, ErrorValue> {
    const tools = callableTools(body);
    return tools.length > 0 ? this.#ofTools(body, tools) : this.#ofFormat(body);
  }

  #ofTools(body: ChatRequest, tools: readonly Tool[]): Outcome {
    const { tool_choice: toolChoice, parallel_tool_calls: isParallel } = body;
    const isNamed = typeof toolChoice === "object" && toolChoice !== null;
    const isRequired = isNamed || toolChoice === "required";
    const callsMax = isNamed || isParallel === false ? 1 : PARALLEL_CALLS_MAX;
    const format = this.#formats.tools;
    return this.#make(`tools ${isRequired} ${callsMax} ${JSON.stringify(tools)}`, {
      param: "tools",
      about: "tools",
      grammar: () => toolGrammar({ format, tools, isRequired, callsMax }),
    });
  }

  #ofFormat({ response_format: format }: ChatRequest): Result<AnswerGrammar | null, ErrorValue> {
    if (!format || format.type === "text") return ok(null);
    const param = "response_format";
    if (format.type === "json_object") {
      return this.#make("json_object", { param, about: param, grammar: () => JSON_OBJECT });
    }
    const { name, schema = { type: "object" }, strict } = format.json_schema;
    const isStrict = strict === true;
    return this.#make(`json_schema ${isStrict} ${JSON.stringify(schema)}`, {
      param,
      about: `${param} '${name}'`,
      grammar: () => grammarOfSchema(schema, { isStrict }),
    });
  }

  /** The grammar that `source` stands for, or why there is none. */
  #make(
    source: string,
    by: {
      readonly param: string;
      /** What errors say was wrong. */
      readonly about: string;
      readonly grammar: () => Grammar;
    },
  ): Outcome {
    const grammar = () => afterReasoning(by.grammar(), this.#formats.reasoning);
    const outcome = this.#kept.get(source) ?? compiled(source, { ...by, grammar });
    this.#kept.delete(source);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= KEPT_GRAMMARS_MAX && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(source, outcome);
    return outcome;
  }
}

/** The tools that the answer may call: none, one that the client names, or all. */
export function callableTools({ tools, tool_choice: choice }: ChatRequest): readonly Tool[] {
  if (choice === "none") return [];
  if (typeof choice !== "object" || choice === null) return tools ?? [];
  return (tools ?? []).filter((one) => one.function.name === choice.function.name);
}

function compiled(
  key: string,
  by: { readonly param: string; readonly about: string; readonly grammar: () => Grammar },
): Outcome {
  const { param, about } = by;
  try {
    const grammar = by.grammar();
    // Only whether it compiles: the engine's thread has its own.
    new Automaton(grammar);
    return ok({ key, grammar, param });
  } catch (error) {
    const message = `Invalid schema for ${about}: ${error instanceof Error ? error.message : ""}.`;
    if (error instanceof SchemaError) return err({ code: "unsupported_schema", message, param });
    if (error instanceof GrammarLimitError)
      return err({ code: "schema_too_complex", message, param });
    throw error;
  }
}
