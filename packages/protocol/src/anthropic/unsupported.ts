// Owns the refusal of what the Messages API has and Fairlane does not serve, where the schema would only say that a type
// is none of those it knows: server tools, images, documents, and thinking on demand.
import type { ErrorValue } from "../app-error.ts";
import { fieldOf, listOf, unsupportedType } from "../raw-fields.ts";

const BLOCK_TYPES: ReadonlySet<unknown> = new Set(["text", "tool_use", "tool_result", "thinking"]);

/** The error of the first type that is not served, or null. Shapes are the schema's to check. */
export function unsupportedMessage(body: Readonly<Record<string, unknown>>): ErrorValue | null {
  const thinking = fieldOf(body["thinking"], "type");
  if (typeof thinking === "string" && thinking !== "disabled") {
    return unsupportedType("thinking.type", thinking, "Thinking cannot be asked for.");
  }
  for (const [at, tool] of listOf(body["tools"])) {
    const type = fieldOf(tool, "type");
    if (typeof type === "string" && type !== "custom") {
      return unsupportedType(`tools[${at}].type`, type, "Only tools of the client's are served.");
    }
  }
  for (const [at, message] of listOf(body["messages"])) {
    const error = unsupportedBlock(fieldOf(message, "content"), `messages[${at}].content`);
    if (error !== null) return error;
  }
  return null;
}

function unsupportedBlock(content: unknown, path: string): ErrorValue | null {
  for (const [at, block] of listOf(content)) {
    const type = fieldOf(block, "type");
    const param = `${path}[${at}].type`;
    if (typeof type === "string" && !BLOCK_TYPES.has(type)) {
      return unsupportedType(param, type, "Such blocks are not served.");
    }
    if (type !== "tool_result") continue;
    for (const [partAt, part] of listOf(fieldOf(block, "content"))) {
      const partType = fieldOf(part, "type");
      if (typeof partType !== "string" || partType === "text") continue;
      const partParam = `${path}[${at}].content[${partAt}].type`;
      return unsupportedType(partParam, partType, "Only text is served.");
    }
  }
  return null;
}
