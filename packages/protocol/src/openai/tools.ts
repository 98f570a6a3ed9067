// Owns the request's side of tool calls: which functions the model may call, whether it has to, and the messages of
// earlier calls and their results. What a parameters schema may say is the node's to judge.
import { z } from "zod";
import { NAME_CHARS_MAX, TOOL_CALLS_MAX, TOOLS_CHARS_MAX, TOOLS_MAX } from "../limits.ts";
import { functionName, jsonSchema } from "./response-format.ts";

const tool = z.strictObject({
  type: z.literal("function"),
  function: z.strictObject({
    name: functionName,
    description: z.string().optional(),
    /** Of the arguments; absent: none. */
    parameters: jsonSchema.nullish(),
    /** True: what the grammar cannot express is refused; otherwise it is left out of account. */
    strict: z.boolean().nullish(),
  }),
});

/** The tools of any API: few and short enough, with names that are unique, since a call says nothing else. */
export function toolListOf<Schema extends z.ZodType>(
  schema: Schema,
  nameOf: (one: z.infer<Schema>) => string,
) {
  return z
    .array(schema)
    .max(TOOLS_MAX)
    .refine((tools) => JSON.stringify(tools).length <= TOOLS_CHARS_MAX, {
      message: `all tools have at most ${TOOLS_CHARS_MAX} characters`,
    })
    .refine((tools) => new Set(tools.map(nameOf)).size === tools.length, {
      message: "names must be unique",
    });
}

export const toolList = toolListOf(tool, (one) => one.function.name);

export const toolChoice = z.union([
  z.enum(["none", "auto", "required"]),
  z.strictObject({
    type: z.literal("function"),
    function: z.strictObject({ name: functionName }),
  }),
]);

/** A call that an assistant's message of the history made. */
const toolCall = z.strictObject({
  id: z.string().min(1).max(NAME_CHARS_MAX),
  type: z.literal("function"),
  function: z.strictObject({ name: functionName, arguments: z.string() }),
});

export const toolCalls = z.array(toolCall).min(1).max(TOOL_CALLS_MAX);

export type Tool = z.infer<typeof tool>;
export type ToolCall = z.infer<typeof toolCall>;
export type ToolChoice = z.infer<typeof toolChoice>;
