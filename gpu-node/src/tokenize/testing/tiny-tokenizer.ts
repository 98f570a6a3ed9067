// Owns the tiny fixture's tokenizer for tests, from both of its files. For tests only.
import { resolve } from "node:path";
import { openModel, type OpenedModel } from "../../model/open-model.ts";
import { Tokenizer } from "../tokenizer.ts";
import type { AddedToken, TokenizerSource } from "../tokenizer-source.ts";

const FIXTURES = resolve(import.meta.dirname, "../../../../test/fixtures/tiny-llama");

/** The tiny model as opened from "tiny-llama.gguf" or "hf". */
export async function openTiny(name: "tiny-llama.gguf" | "hf"): Promise<OpenedModel> {
  return await openModel(resolve(FIXTURES, name), { cacheFolder: "/dev/null/none" });
}

export async function tinyTokenizer(): Promise<Tokenizer> {
  return new Tokenizer((await openTiny("tiny-llama.gguf")).tokenizerSource);
}

/** The tiny tokenizer with further added tokens. */
export async function tinyWith(added: readonly Partial<AddedToken>[]): Promise<Tokenizer> {
  const source = (await openTiny("tiny-llama.gguf")).tokenizerSource;
  const { definition } = source;
  const tokens = added.map((token, index) => ({
    id: 512 + index,
    content: "",
    special: true,
    normalized: false,
    lstrip: false,
    rstrip: false,
    single_word: false,
    ...token,
  }));
  const changed: TokenizerSource = {
    ...source,
    definition: { ...definition, added_tokens: [...definition.added_tokens, ...tokens] },
  };
  return new Tokenizer(changed);
}
