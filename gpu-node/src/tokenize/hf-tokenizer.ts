// Owns turning a Hugging Face tokenizer.json into a checked tokenizer definition. Only byte-level BPE and BPE with byte
// fallback (hf-spm-tokenizer.ts) pass: the bytes of every token must be known, so that streamed text never breaks inside
// a character.
import { z } from "zod";
import { ModelError } from "../model/model-error.ts";
import { isRecord } from "../model/read-json.ts";
import { spmTokenizerOfHf } from "./hf-spm-tokenizer.ts";
import {
  addedTokenSchema,
  checkDefinition,
  rewritePreTokenizer,
  type TokenizerDefinition,
  type TokenizerSource,
} from "./tokenizer-source.ts";

// The vocabulary's values and the merges are checked one by one in checkDefinition, which names the culprit.
const schema = z.object({
  model: z.object({
    type: z.literal("BPE"),
    vocab: z.custom<Record<string, number>>(isNumberRecord, "is not an object of numbers"),
    merges: z.custom<(string | [string, string])[]>(isMergeList, "is not a list of merges"),
    unk_token: z.string().nullish(),
    ignore_merges: z.boolean().nullish(),
    byte_fallback: z.boolean().nullish(),
    continuing_subword_prefix: z.literal("").nullish(),
    end_of_word_suffix: z.literal("").nullish(),
    dropout: z.null().optional(),
  }),
  added_tokens: z.array(addedTokenSchema).default([]),
  normalizer: z.unknown().optional(),
  pre_tokenizer: z.unknown().optional(),
  post_processor: z.unknown().optional(),
  decoder: z.unknown().optional(),
});

function isNumberRecord(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every((id) => typeof id === "number");
}

function isMergeList(value: unknown): boolean {
  const isText = (part: unknown) => typeof part === "string";
  const isMerge = (merge: unknown) =>
    isText(merge) || (Array.isArray(merge) && merge.length === 2 && merge.every(isText));
  return Array.isArray(value) && value.every(isMerge);
}

/**
 * Checks tokenizer.json and gives the definition in it.
 * @param rowCount rows of the model's embedding
 */
export function tokenizerOfHf(
  file: string,
  json: Record<string, unknown>,
  rowCount: number,
): TokenizerSource {
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const subject = issue?.path.join(".") || "tokenizer";
    const problem = `${issue?.message ?? "is not as expected"}; supported: byte-level BPE`;
    throw new ModelError(file, subject, problem);
  }
  const { added_tokens, normalizer, post_processor, decoder } = parsed.data;
  const { byte_fallback, ...read } = parsed.data.model;
  const model: TokenizerDefinition["model"] = {
    type: "BPE",
    vocab: read.vocab,
    merges: read.merges,
    unk_token: read.unk_token ?? null,
    ignore_merges: read.ignore_merges ?? false,
  };
  if (byte_fallback === true) return spmTokenizerOfHf(file, { ...parsed.data, model }, rowCount);
  const steps = rewritePreTokenizer(file, parsed.data.pre_tokenizer);
  if (steps.at(-1)?.["type"] !== "ByteLevel") {
    throw new ModelError(
      file,
      "pre_tokenizer",
      "does not end in ByteLevel; supported: byte-level BPE",
    );
  }
  const definition: TokenizerDefinition = {
    model,
    added_tokens,
    normalizer: normalizer ?? null,
    pre_tokenizer: { type: "Sequence", pretokenizers: steps },
    post_processor: post_processor ?? null,
    decoder: decoder ?? { type: "ByteLevel" },
  };
  const source = { file, definition };
  const names = { vocab: "model.vocab", merges: "model.merges", addedTokens: "added_tokens" };
  checkDefinition(source, { names, rowCount });
  return source;
}
