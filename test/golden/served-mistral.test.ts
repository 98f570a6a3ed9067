// A tiny Mistral served whole: SentencePiece vocabulary, chat template and sliding window, from a GGUF file and from a
// Hugging Face folder, in chunks of 16 tokens and several at once, says what transformers says.
import OpenAI from "openai";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { tinyMistralTexts } from "./read-goldens.ts";
import { HAS_NATIVE_CORE, TinyNode } from "../../gpu-node/src/testing/tiny-node.ts";

const FLAGS = ["--isa", "generic", "--numerics", "f32", "--step-budget-tokens", "16"];
const pathOf = (file: string) =>
  fileURLToPath(new URL(`../fixtures/tiny-mistral/${file}`, import.meta.url));

describe.skipIf(!HAS_NATIVE_CORE)("a node with a tiny Mistral", () => {
  it.each(["tiny-mistral-f16.gguf", "hf"])(
    "answers chats as transformers does from %s",
    async (file) => {
      await using tiny = await TinyNode.start(FLAGS, pathOf(file));
      const client = new OpenAI({ baseURL: `${tiny.url}/v1`, apiKey: "unused", maxRetries: 0 });
      const { chats } = tinyMistralTexts();
      const ask = async ({ messages }: (typeof chats)[number]): Promise<string> => {
        const stream = await client.chat.completions.create({
          model: tiny.node.model.id,
          messages: messages as OpenAI.ChatCompletionMessageParam[],
          temperature: 0,
          max_completion_tokens: 40,
          stream: true,
        });
        let text = "";
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
        return text;
      };
      const answers = await Promise.all([...chats, ...chats].map(ask));
      expect(answers).toEqual([...chats, ...chats].map(({ answer }) => answer));
    },
  );
});
