// Owns how a model writes tool calls and reasoning: as the operator says, else as its chat template shows.
import { THINK_CLOSE, THINK_OPEN, type Reasoning } from "../grammar/after-reasoning.ts";
import { TOOL_MARKS, type ToolFormat } from "../grammar/tool-grammar.ts";
import type { ChatTemplate } from "../tokenize/chat-template.ts";
import type { Tokenizer } from "../tokenize/tokenizer.ts";

/** The flags. */
export interface FormatFlags {
  readonly toolCallFormat: "auto" | ToolFormat;
  readonly reasoningFormat: "auto" | "none" | "think";
}

export interface ModelFormats {
  readonly tools: ToolFormat;
  readonly reasoning: Reasoning;
}

export function modelFormats(template: ChatTemplate, flags: FormatFlags): ModelFormats {
  return { tools: toolFormat(template, flags), reasoning: reasoningOf(template, flags) };
}

/** Control tokens that the formats are written with. */
export function markIds(
  tokenizer: Pick<Tokenizer, "idOf" | "specialIds">,
  { tools, reasoning }: ModelFormats,
): ReadonlySet<number> {
  const marks = [TOOL_MARKS[tools], ...(reasoning === null ? [] : [THINK_OPEN, THINK_CLOSE])];
  const ids = marks.map((mark) => tokenizer.idOf(mark));
  return new Set(ids.filter((id) => id !== undefined && tokenizer.specialIds.has(id)) as number[]);
}

function toolFormat(template: ChatTemplate, { toolCallFormat }: FormatFlags): ToolFormat {
  if (toolCallFormat !== "auto") return toolCallFormat;
  for (const format of ["hermes", "mistral", "llama3"] as const) {
    if (template.spells(TOOL_MARKS[format])) return format;
  }
  // Llama 3.2 has no mark of its own in the template, but says how calls are written.
  return template.spells('{"name": function name, "parameters"') ? "llama3" : "hermes";
}

function reasoningOf(template: ChatTemplate, { reasoningFormat }: FormatFlags): Reasoning {
  if (reasoningFormat === "none") return null;
  if (reasoningFormat === "auto" && !template.spells(THINK_OPEN)) return null;
  const prompt = template.render([{ role: "user", content: "?" }]);
  return prompt.trimEnd().endsWith(THINK_OPEN) ? "open" : "marked";
}
