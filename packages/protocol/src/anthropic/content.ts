// Owns the messages of Anthropic's Messages API: text, tool use, tool results and earlier thinking, each as a string or
// as blocks. Images, documents and blocks of server tools are refused by the field's name. `cache_control` is taken and
// has no effect: prefixes are cached without being asked.
import { z } from "zod";
import { CONTENT_PARTS_MAX, NAME_CHARS_MAX } from "../limits.ts";
import { functionName } from "../openai/response-format.ts";

export const cacheControl = z
  .strictObject({ type: z.literal("ephemeral"), ttl: z.enum(["5m", "1h"]).optional() })
  .nullish();
const id = z.string().min(1).max(NAME_CHARS_MAX);

const textBlock = z.strictObject({
  type: z.literal("text"),
  text: z.string(),
  cache_control: cacheControl,
  // An answer's block has it, and clients send it back as it is.
  citations: z.array(z.unknown()).max(0).nullish(),
});

const toolUseBlock = z.strictObject({
  type: z.literal("tool_use"),
  id,
  name: functionName,
  input: z.record(z.string(), z.unknown()),
  cache_control: cacheControl,
  caller: z.strictObject({ type: z.literal("direct") }).nullish(),
  toolset_name: z.null().optional(),
});

const toolResultBlock = z.strictObject({
  type: z.literal("tool_result"),
  tool_use_id: id,
  content: z.union([z.string(), z.array(textBlock).max(CONTENT_PARTS_MAX)]).optional(),
  is_error: z.boolean().optional(),
  cache_control: cacheControl,
});

const thinkingBlock = z.strictObject({
  type: z.literal("thinking"),
  thinking: z.string(),
  signature: z.string(),
});

export const systemText = z.union([z.string(), z.array(textBlock).max(CONTENT_PARTS_MAX)]);

const blocksOf = <Block extends z.ZodType>(block: Block) =>
  z.union([z.string(), z.array(block).min(1).max(CONTENT_PARTS_MAX)]);

export const messageParam = z.discriminatedUnion("role", [
  z.strictObject({
    role: z.literal("user"),
    content: blocksOf(z.discriminatedUnion("type", [textBlock, toolResultBlock])),
  }),
  z.strictObject({
    role: z.literal("assistant"),
    content: blocksOf(z.discriminatedUnion("type", [textBlock, toolUseBlock, thinkingBlock])),
  }),
  z.strictObject({ role: z.literal("system"), content: blocksOf(textBlock) }),
]);

export type MessageParam = z.infer<typeof messageParam>;

/** Text given as a string or as blocks. */
export function textOf(given: z.infer<typeof systemText> | undefined): string {
  if (given === undefined) return "";
  return typeof given === "string" ? given : given.map(({ text }) => text).join("");
}
