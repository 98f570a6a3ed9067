// Owns the grammar of answers of models that reason first: what they think is free, what follows it is not.
import { exprs, type Grammar } from "./expr.ts";
import { markedText } from "./free-text.ts";

const { choice, oneOf, repeat, rule, sequence, text } = exprs;

/** The tags that reasoning stands between. */
export const THINK_OPEN = "<think>";
export const THINK_CLOSE = "</think>";

/** "marked": the model opens it, or says nothing of the kind; "open": the prompt has opened it. Null: it has none. */
export type Reasoning = "marked" | "open" | null;

/** Line breaks that models write after their reasoning. */
const SPACE_MAX = 4;

export function afterReasoning({ root, rules }: Grammar, reasoning: Reasoning): Grammar {
  if (reasoning === null) return { root, rules };
  const next = sequence(repeat(oneOf(" \n"), 0, SPACE_MAX), rule("answer"));
  const thought = markedText({ name: "thought", mark: THINK_CLOSE, next, mayEnd: false });
  const opened = sequence(text(THINK_OPEN), rule("thought"));
  return {
    root: reasoning === "open" ? rule("thought") : choice(rule("answer"), opened),
    rules: { ...rules, ...thought, answer: root },
  };
}
