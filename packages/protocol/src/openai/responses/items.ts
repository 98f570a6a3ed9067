// Owns the items of a conversation in the Responses API: what a client may send, which is also what is stored of it.
// Messages, calls of functions, their outputs and earlier reasoning; items of built-in tools are refused by name.
import { z } from "zod";
import { CONTENT_PARTS_MAX, NAME_CHARS_MAX } from "../../limits.ts";
import { functionName } from "../response-format.ts";

const id = z.string().min(1).max(NAME_CHARS_MAX);
const status = z.enum(["in_progress", "completed", "incomplete"]).nullish();

// What an answer says beside its text comes back with it; it is no part of the prompt.
const textPart = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("input_text"), text: z.string() }),
  z.strictObject({
    type: z.literal("output_text"),
    text: z.string(),
    annotations: z.array(z.unknown()).max(0).nullish(),
    logprobs: z.array(z.unknown()).nullish(),
  }),
]);

const content = z.union([z.string(), z.array(textPart).min(1).max(CONTENT_PARTS_MAX)]);

const messageItem = z.strictObject({
  type: z.literal("message").optional(),
  role: z.enum(["user", "assistant", "system", "developer"]),
  content,
  id: id.optional(),
  status,
  phase: z.enum(["commentary", "final_answer"]).nullish(),
});

const callItem = z.strictObject({
  type: z.literal("function_call"),
  call_id: id,
  name: functionName,
  arguments: z.string(),
  id: id.optional(),
  status,
});

const callOutputItem = z.strictObject({
  type: z.literal("function_call_output"),
  call_id: id,
  output: content,
  id: id.nullish(),
  status,
});

const reasoningPart = z.strictObject({ type: z.literal("reasoning_text"), text: z.string() });

const reasoningItem = z.strictObject({
  type: z.literal("reasoning"),
  id: id.optional(),
  summary: z.array(z.unknown()).max(0).nullish(),
  content: z.array(reasoningPart).max(CONTENT_PARTS_MAX).nullish(),
  encrypted_content: z.null().optional(),
  status,
});

export const inputItem = z.discriminatedUnion("type", [
  messageItem,
  callItem,
  callOutputItem,
  reasoningItem,
]);

export type InputItem = z.infer<typeof inputItem>;
type Content = z.infer<typeof content>;

/** The text of a message or of a call's output, parts joined. */
export function itemText(given: Content): string {
  return typeof given === "string" ? given : given.map((part) => part.text).join("");
}

/** An input as the list of input items shows it: with an id, and a message's text as a part. */
export function listedItem(item: InputItem, fallbackId: string) {
  if (item.type !== undefined && item.type !== "message") {
    return { ...item, id: item.id ?? fallbackId, status: item.status ?? "completed" };
  }
  const partType = item.role === "assistant" ? "output_text" : "input_text";
  const parts =
    typeof item.content === "string" ? [{ type: partType, text: item.content }] : item.content;
  return {
    id: item.id ?? fallbackId,
    type: "message",
    status: item.status ?? "completed",
    role: item.role,
    content: parts.map((part) =>
      part.type === "output_text" ? { annotations: [], logprobs: [], ...part } : part,
    ),
  };
}

const encoder = new TextEncoder();
/** Tokens that a chat template may add around one message. */
const TEMPLATE_TOKENS_PER_ITEM = 16;
/** Characters that a template makes of JSON which was given without spaces: it indents, and escapes once more. */
const TEMPLATE_JSON_FACTOR = 4;

/** Upper bound of what items take in a prompt: byte-level tokenisers make at most one token of a byte of UTF-8. */
export function itemTokensMax(items: readonly InputItem[]): number {
  return items.reduce((sum, item) => sum + TEMPLATE_TOKENS_PER_ITEM + itemBytesMax(item), 0);
}

function itemBytesMax(item: InputItem): number {
  if (item.type === "function_call_output") return bytesOf(itemText(item.output));
  if (item.type === "function_call" || item.type === "reasoning") {
    return TEMPLATE_JSON_FACTOR * bytesOf(JSON.stringify(item));
  }
  return bytesOf(itemText(item.content));
}

function bytesOf(text: string): number {
  return encoder.encode(text).length;
}
