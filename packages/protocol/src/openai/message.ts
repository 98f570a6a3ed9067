// Owns the messages of a chat request. What of them a model gets to see is its chat template's.
import { z } from "zod";
import { CONTENT_PARTS_MAX, NAME_CHARS_MAX } from "../limits.ts";
import { toolCalls } from "./tools.ts";

const textPart = z.strictObject({ type: z.literal("text"), text: z.string() });
const content = z.union([z.string(), z.array(textPart).min(1).max(CONTENT_PARTS_MAX)]);

export const message = z
  .strictObject({
    role: z.enum(["system", "developer", "user", "assistant", "tool"]),
    content: content.nullish(),
    name: z.string().max(NAME_CHARS_MAX).optional(),
    /** Of an assistant's message: the calls that it made. */
    tool_calls: toolCalls.optional(),
    /** Of a tool's message: the call that it answers. */
    tool_call_id: z.string().min(1).max(NAME_CHARS_MAX).optional(),
    // An answer's message has these, and clients send it back as it is.
    refusal: z.null().optional(),
    reasoning_content: z.string().nullish(),
  })
  .superRefine((given, context) => {
    const wrong = (field: string, problem: string): void => {
      context.addIssue({ code: "custom", path: [field], message: problem });
    };
    const { role } = given;
    const hasCalls = given.tool_calls !== undefined;
    if (hasCalls && role !== "assistant")
      wrong("tool_calls", "only an assistant's message has them");
    if (role === "tool" && given.tool_call_id === undefined) {
      wrong("tool_call_id", "a tool's message names the call that it answers");
    }
    if (role !== "tool" && given.tool_call_id !== undefined) {
      wrong("tool_call_id", "only a tool's message has it");
    }
    if ((given.content ?? null) === null && !hasCalls) {
      // As of any required field.
      context.addIssue({
        code: "invalid_type",
        expected: "string",
        input: given.content,
        path: ["content"],
      });
    }
  });

export type ChatMessage = z.infer<typeof message>;

/** A message's text, text parts joined; none for a message of calls alone. */
export function messageText(given: ChatMessage["content"]): string {
  if (given === null || given === undefined) return "";
  return typeof given === "string" ? given : given.map((part) => part.text).join("");
}
