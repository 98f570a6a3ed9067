// Shows that both places where prompts are tokenised give the same tokens, with the committed tiny model.
import { fileURLToPath } from "node:url";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openModel, type OpenedModel } from "../model/open-model.ts";
import { ChatTemplate } from "../tokenize/chat-template.ts";
import { Tokenizer } from "../tokenize/tokenizer.ts";
import { ChatEncoder } from "./chat-encoder.ts";

const TINY = fileURLToPath(
  new URL("../../../test/fixtures/tiny-llama/tiny-llama.gguf", import.meta.url),
);
const clock = { nowMs: () => 0 };
let folder = "";
let opened: OpenedModel;
let encoder: ChatEncoder;
let template: ChatTemplate;
let tokenizer: Tokenizer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fairlane-encoder-"));
  opened = await openModel(TINY, { cacheFolder: folder });
  const { chatTemplate } = opened;
  if (!chatTemplate) throw new Error("the tiny model has a chat template");
  tokenizer = new Tokenizer(opened.tokenizerSource);
  template = new ChatTemplate(chatTemplate, clock);
  const source = { tokenizer: opened.tokenizerSource, template: chatTemplate };
  encoder = new ChatEncoder({ tokenizer, template, source });
});
afterAll(async () => {
  await encoder.close();
  rmSync(folder, { recursive: true, force: true });
});

function user(content: string) {
  return [{ role: "user" as const, content }];
}

describe("ChatEncoder", () => {
  it("gives the same tokens for short prompts here and long ones on the thread", async () => {
    for (const text of ["hello", "hello world ".repeat(1_000), "<|im_end|>".repeat(500)]) {
      expect(await encoder.encode({ messages: user(text) })).toEqual(
        template.encode(tokenizer, user(text)),
      );
    }
  });

  it("keeps answers apart when several long prompts are under way", async () => {
    const texts = [5_000, 9_000, 7_000].map((chars) => "abcdefgh ".repeat(chars / 9));
    const all = await Promise.all(texts.map((text) => encoder.encode({ messages: user(text) })));
    expect(all).toEqual(texts.map((text) => template.encode(tokenizer, user(text))));
  });

  it("rejects what waits when the thread ends, and starts another for the next", async () => {
    const lost = encoder.encode({ messages: user("z".repeat(50_000)) });
    const [outcome] = await Promise.all([
      lost.catch((error: unknown) => String(error)),
      encoder.close(),
    ]);
    expect(outcome).toBe("Error: the tokenising thread ended");
    const text = "again ".repeat(1_000);
    expect(await encoder.encode({ messages: user(text) })).toEqual(
      template.encode(tokenizer, user(text)),
    );
  });

  it("refuses more than it may queue", async () => {
    const huge = "x".repeat(33 * 1024 * 1024);
    await expect(encoder.encode({ messages: user(huge) })).rejects.toMatchObject({
      value: { code: "overloaded" },
    });
  });
});
