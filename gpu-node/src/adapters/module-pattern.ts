// Owns which of PEFT's patterns names a module: keys of rank_pattern and alpha_pattern are ends of module names or
// regular expressions. Invariant: no list of patterns takes long to match, whoever wrote it.
import {
  ADAPTER_EXPRESSION_BRANCHES_MAX,
  ADAPTER_EXPRESSIONS_MAX,
  ADAPTER_PATTERN_CHARS_MAX,
  ADAPTER_PATTERNS_MAX,
} from "./limits.ts";

/** What the first pattern that names a module sets; undefined when none does. */
export type ModuleValues = (moduleName: string) => number | undefined;

interface Expression {
  /** Its place in the list: of two patterns that name a module, the first one counts. */
  readonly index: number;
  readonly test: RegExp;
  readonly value: number;
}

/**
 * The patterns as PEFT applies them: to the end of a module's name, from its beginning or from a dot on.
 * @returns why they are not taken, as the end of a sentence, when they are not
 */
export function parsePatterns(patterns: Readonly<Record<string, number>>): ModuleValues | string {
  const entries = Object.entries(patterns);
  if (entries.length > ADAPTER_PATTERNS_MAX) return `has more than ${ADAPTER_PATTERNS_MAX} entries`;
  const plain = new Map<string, { readonly index: number; readonly value: number }>();
  const expressions: Expression[] = [];
  for (const [index, [text, value]] of entries.entries()) {
    // A dot stands for any character, but names have dots where plain patterns have them.
    if (/^\w+(?:\.\w+)*$/.test(text)) {
      plain.set(text, { index, value });
      continue;
    }
    const test = parseExpression(text);
    if (typeof test === "string") return test;
    expressions.push({ index, test, value });
  }
  if (expressions.length > ADAPTER_EXPRESSIONS_MAX) {
    return `has more than ${ADAPTER_EXPRESSIONS_MAX} regular expressions`;
  }
  return (moduleName) => {
    const found = [
      ...endsOf(moduleName).flatMap((end) => plain.get(end) ?? []),
      ...expressions.filter(({ test }) => test.test(moduleName)),
    ];
    return found.toSorted((one, other) => one.index - other.index)[0]?.value;
  };
}

function parseExpression(text: string): RegExp | string {
  if (text.length > ADAPTER_PATTERN_CHARS_MAX) {
    return `has a pattern of more than ${ADAPTER_PATTERN_CHARS_MAX} characters`;
  }
  const operators = text.replaceAll(/\\./g, "_");
  if (/\)[*+?{]/.test(operators)) return `has a pattern that repeats a group: ${text}`;
  if (/\\[1-9k]|\(\?[^:]/.test(text)) return `has a pattern that looks around or back: ${text}`;
  const branches = operators.replaceAll("(?:", "(").match(/[*+?{(]/g)?.length ?? 0;
  if (branches > ADAPTER_EXPRESSION_BRANCHES_MAX) {
    return `has a pattern with more than ${ADAPTER_EXPRESSION_BRANCHES_MAX} repetitions and groups: ${text}`;
  }
  try {
    return new RegExp(`^(?:.*\\.)?(?:${text})$`);
  } catch {
    return `has a pattern that cannot be read: ${text}`;
  }
}

/** "a.b.c", "b.c", "c" */
function endsOf(moduleName: string): string[] {
  const parts = moduleName.split(".");
  return parts.map((_, index) => parts.slice(index).join("."));
}
