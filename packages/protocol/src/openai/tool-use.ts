// Owns whether the fields of a request that are about tools fit together: the same rules for every API, with the names
// that each has for the fields.
import type { ErrorValue } from "../app-error.ts";

/** What a request says of tools, whatever its API calls it. */
export interface ToolUse {
  readonly names: readonly string[];
  readonly choice: "free" | "none" | "call" | { readonly name: string; readonly param: string };
  /** The answer's format, where it is bound to one: its field, and the words for it. */
  readonly format: { readonly param: string; readonly words: string } | null;
}

/** Why choice, tools and format do not fit together, or null. */
export function toolUseError({ names, choice, format }: ToolUse): ErrorValue | null {
  if (choice === "call" && names.length === 0) {
    const message = "Invalid 'tool_choice': it wants a call, and the request has no 'tools'.";
    return { code: "invalid_value", message, param: "tool_choice" };
  }
  if (typeof choice === "object" && !names.includes(choice.name)) {
    const message = `Invalid 'tool_choice': the request has no tool '${choice.name}'.`;
    return { code: "invalid_value", message, param: choice.param };
  }
  if (format === null || names.length === 0 || choice === "none") return null;
  const message = `Unsupported: 'tools' together with ${format.words}, unless 'tool_choice' is 'none'.`;
  return { code: "unsupported_parameter", message, param: format.param };
}

/** OpenAI's three words for a choice, in ours; without one the model is free. */
export function choiceOf(word: "none" | "auto" | "required" | null | undefined) {
  if (word === "none") return "none";
  return word === "required" ? "call" : "free";
}
