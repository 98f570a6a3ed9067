// Owns which tokens begin a prompt and end an answer: the ids that a model's files state, checked against its
// vocabulary. Models state them in several places and not always all of them.
import { z } from "zod";
import type { TokenizerSource } from "../tokenize/tokenizer-source.ts";
import type { GgufMetadata } from "./gguf.ts";
import { ModelError } from "./model-error.ts";
import { parseWith } from "./read-json.ts";

export interface EdgeTokens {
  readonly eosTokenIds: readonly number[];
  readonly bosTokenId: number | undefined;
}

const GGUF_END_KEYS = ["eos", "eot", "eom"].map((name) => `tokenizer.ggml.${name}_token_id`);
// Older GGUF files of chat models state the end of text only; these control tokens end a turn wherever they exist.
const TURN_ENDS: ReadonlySet<string> = new Set(["<|im_end|>", "<|eot_id|>", "<|eom_id|>"]);

/** The beginning and end tokens in a GGUF file's metadata. */
export function endTokensOfGguf(
  file: string,
  metadata: GgufMetadata,
  source: TokenizerSource,
): EdgeTokens {
  const ids = knownIds(source);
  const read = (key: string) => {
    const id = metadata.number(key);
    if (id === undefined || ids.has(id)) return id;
    throw new ModelError(file, key, `${id} is not the id of a token`);
  };
  const stated = GGUF_END_KEYS.map(read);
  const turnEnds = source.definition.added_tokens
    .filter((token) => token.special && TURN_ENDS.has(token.content))
    .map((token) => token.id);
  return {
    eosTokenIds: distinct([...stated, ...turnEnds]),
    bosTokenId: read("tokenizer.ggml.bos_token_id"),
  };
}

const idSchema = z.int().min(0);
const configSchema = z.looseObject({
  bos_token_id: idSchema.nullish(),
  eos_token_id: z.union([idSchema, z.array(idSchema).max(64)]).nullish(),
});
const tokenSchema = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const tokenizerConfigSchema = z.looseObject({ bos_token: tokenSchema, eos_token: tokenSchema });

export interface HfJson {
  readonly file: string;
  readonly json: Record<string, unknown>;
}

/**
 * The beginning and end tokens of a Hugging Face folder.
 * @param configs config.json and, where it exists, generation_config.json
 */
export function endTokensOfHf(
  configs: readonly HfJson[],
  tokenizerConfig: HfJson | undefined,
  source: TokenizerSource,
): EdgeTokens {
  const ids = knownIds(source);
  const ends: (number | undefined)[] = [];
  let bosTokenId: number | undefined;
  for (const { file, json } of configs) {
    const { bos_token_id, eos_token_id } = parseWith(configSchema, file, json);
    const stated = [eos_token_id ?? []].flat();
    for (const id of [bos_token_id ?? [], stated].flat()) {
      if (!ids.has(id)) throw new ModelError(file, "token ids", `${id} is not the id of a token`);
    }
    ends.push(...stated);
    bosTokenId ??= bos_token_id ?? undefined;
  }
  if (tokenizerConfig) {
    const { file, json } = tokenizerConfig;
    const { bos_token, eos_token } = parseWith(tokenizerConfigSchema, file, json);
    ends.push(idOf(source, eos_token));
    bosTokenId = idOf(source, bos_token) ?? bosTokenId;
  }
  return { eosTokenIds: distinct(ends), bosTokenId };
}

function idOf(source: TokenizerSource, token: z.infer<typeof tokenSchema>): number | undefined {
  if (token === null || token === undefined) return undefined;
  const text = typeof token === "string" ? token : token.content;
  const { added_tokens, model } = source.definition;
  const added = added_tokens.find(({ content }) => content === text);
  return added?.id ?? (Object.hasOwn(model.vocab, text) ? model.vocab[text] : undefined);
}

function knownIds(source: TokenizerSource): ReadonlySet<number> {
  const { added_tokens, model } = source.definition;
  return new Set([...Object.values(model.vocab), ...added_tokens.map((token) => token.id)]);
}

function distinct(ids: readonly (number | undefined)[]): readonly number[] {
  return [...new Set(ids)].filter((id) => id !== undefined);
}
