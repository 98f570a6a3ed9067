// Owns turning the SentencePiece vocabulary of a GGUF file (tokenizer.ggml.model "llama": Llama 2, Mistral) into a
// tokenizer definition: pieces, their scores and types, and what is put around a prompt.
import type { GgufMetadata } from "../model/gguf.ts";
import { ModelError } from "../model/model-error.ts";
import {
  TOKEN_TYPES,
  readAddedTokens,
  readTypes,
  readVocab,
  VOCABULARY_KEYS,
} from "./gguf-vocabulary.ts";
import {
  checkDefinition,
  type TokenizerDefinition,
  type TokenizerSource,
} from "./tokenizer-source.ts";

const SCORES_KEY = "tokenizer.ggml.scores";

/**
 * The tokenizer definition in the metadata of a file whose tokenizer.ggml.model is "llama".
 * @param rowCount rows of the model's embedding
 */
export function spmTokenizerOfGguf(
  file: string,
  metadata: GgufMetadata,
  rowCount: number,
): TokenizerSource {
  const tokens = metadata.required(VOCABULARY_KEYS.tokens, metadata.texts(VOCABULARY_KEYS.tokens));
  const scores = metadata.required(SCORES_KEY, metadata.numbers(SCORES_KEY));
  if (scores.length !== tokens.length || !scores.every((score) => Number.isFinite(score))) {
    const problem = `has ${scores.length} elements for ${tokens.length} tokens, or some that are no numbers`;
    throw new ModelError(file, SCORES_KEY, problem);
  }
  const types = readTypes(file, metadata, tokens.length);
  const addsSpace = metadata.flag("tokenizer.ggml.add_space_prefix") ?? true;
  const unknownId = types.indexOf(TOKEN_TYPES.unknown);
  const definition: TokenizerDefinition = {
    model: {
      type: "BPE",
      vocab: readVocab(file, tokens),
      merges: [],
      unk_token: tokens[unknownId] ?? null,
      ignore_merges: false,
    },
    added_tokens: readAddedTokens(file, types, tokens),
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    spm: {
      scores,
      spacePrefix: addsSpace ? "always" : "never",
      stripsFirstSpace: addsSpace,
      prefixIds: promptIds(file, metadata, { name: "bos", isDefault: true, types }),
      suffixIds: promptIds(file, metadata, { name: "eos", isDefault: false, types }),
    },
  };
  const source = { file, definition };
  const names = {
    vocab: VOCABULARY_KEYS.tokens,
    merges: SCORES_KEY,
    addedTokens: VOCABULARY_KEYS.types,
  };
  checkDefinition(source, { names, rowCount });
  return source;
}

/** The beginning or end token, where one is put around a prompt. */
function promptIds(
  file: string,
  metadata: GgufMetadata,
  options: {
    readonly name: "bos" | "eos";
    readonly isDefault: boolean;
    readonly types: readonly number[];
  },
): readonly number[] {
  const { name, isDefault, types } = options;
  const isAdded = metadata.flag(`tokenizer.ggml.add_${name}_token`) ?? isDefault;
  const key = `tokenizer.ggml.${name}_token_id`;
  const id = metadata.number(key);
  if (!isAdded || id === undefined) return [];
  if (types[id] === TOKEN_TYPES.control) return [id];
  throw new ModelError(file, key, `${id} is put around prompts, but is no control token`);
}
