// Owns the refusal of what the Responses API has and Fairlane does not serve, where the schema would only say that a
// type is none of those it knows: built-in tools, items of theirs, images, files and audio.
import type { ErrorValue } from "../../app-error.ts";
import { fieldOf, listOf, unsupportedType } from "../../raw-fields.ts";

const ITEM_TYPES: ReadonlySet<unknown> = new Set([
  "message",
  "function_call",
  "function_call_output",
  "reasoning",
]);
const PART_TYPES: ReadonlySet<unknown> = new Set(["input_text", "output_text"]);

/** The error of the first type that is not served, or null. Shapes are the schema's to check. */
export function unsupportedOf(body: Readonly<Record<string, unknown>>): ErrorValue | null {
  for (const [at, tool] of listOf(body["tools"])) {
    const type = fieldOf(tool, "type");
    if (typeof type === "string" && type !== "function") {
      return unsupportedType(
        `tools[${at}].type`,
        type,
        "Only tools of type 'function' are served.",
      );
    }
  }
  for (const [at, item] of listOf(body["input"])) {
    const type = fieldOf(item, "type");
    if (typeof type === "string" && !ITEM_TYPES.has(type)) {
      return unsupportedType(`input[${at}].type`, type, "Such items are not served.");
    }
    const parts = fieldOf(item, type === "function_call_output" ? "output" : "content");
    if (type === "reasoning") continue;
    for (const [partAt, part] of listOf(parts)) {
      const partType = fieldOf(part, "type");
      if (typeof partType !== "string" || PART_TYPES.has(partType)) continue;
      const field = type === "function_call_output" ? "output" : "content";
      return unsupportedType(
        `input[${at}].${field}[${partAt}].type`,
        partType,
        "Only text is served.",
      );
    }
  }
  return null;
}
