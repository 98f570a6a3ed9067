// Owns what a stream says of tool calls, which is the wire's as well, and how such pieces make calls again. The first
// piece of a call has its id and name; arguments come as they are spelled.
import { z } from "zod";
import { NAME_CHARS_MAX, TOOL_CALLS_MAX } from "../limits.ts";
import type { ToolCall } from "./tools.ts";

export const toolCallDelta = z.object({
  /** Of the call among the answer's, from 0. */
  index: z.int().nonnegative(),
  id: z.string().min(1).max(NAME_CHARS_MAX).optional(),
  name: z.string().max(NAME_CHARS_MAX).optional(),
  arguments: z.string().optional(),
});

/** Pieces of one delta of a step. */
export const toolCallDeltas = z.array(toolCallDelta).max(TOOL_CALLS_MAX);

export type ToolCallDelta = z.infer<typeof toolCallDelta>;

/** The piece as a chunk of OpenAI's stream has it. */
export function chunkCall({ index, id, name, arguments: given = "" }: ToolCallDelta) {
  if (id === undefined) return { index, function: { arguments: given } };
  return { index, id, type: "function", function: { name: name ?? "", arguments: given } } as const;
}

/** Adds a piece to the calls so far. */
export function addCallDelta(calls: ToolCall[], delta: ToolCallDelta): void {
  const call = calls[delta.index];
  const given = delta.arguments ?? "";
  if (call !== undefined) call.function.arguments += given;
  else {
    const { id = "", name = "" } = delta;
    calls.push({ id, type: "function", function: { name, arguments: given } });
  }
}
