// Owns turning the tokenizer of a GGUF file's metadata into a tokenizer definition. The kinds of
// `tokenizer.ggml.pre` listed here are those whose split is known; guessing it would tokenise wrongly in silence.
import type { GgufMetadata } from "../model/gguf.ts";
import { ModelError } from "../model/model-error.ts";
import { spmTokenizerOfGguf } from "./gguf-spm-tokenizer.ts";
import { readAddedTokens, readTypes, readVocab, VOCABULARY_KEYS } from "./gguf-vocabulary.ts";
import {
  byteLevelSteps,
  checkDefinition,
  splitBy,
  type TokenizerDefinition,
  type TokenizerSource,
} from "./tokenizer-source.ts";

interface PreTokenizer {
  readonly steps: readonly Record<string, unknown>[];
  /** A word that is a token is taken whole, whatever the merges say. */
  readonly ignoreMerges: boolean;
  /** What holds where the file does not say. */
  readonly addsBos: boolean;
  /** What is done to the text first; the file does not say it. */
  readonly normalizer?: Record<string, unknown>;
}

const LLAMA3_WORDS =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const LLAMA3: PreTokenizer = {
  steps: [splitBy(LLAMA3_WORDS), ...byteLevelSteps({ splitWords: false })],
  ignoreMerges: true,
  addsBos: true,
};
const QWEN2_WORDS = LLAMA3_WORDS.replace("\\p{N}{1,3}", "\\p{N}");
const PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizer> = new Map([
  [
    "smollm",
    {
      steps: [splitBy("\\p{N}"), ...byteLevelSteps({ splitWords: true })],
      ignoreMerges: false,
      addsBos: false,
    },
  ],
  [
    "qwen2",
    {
      steps: [splitBy(QWEN2_WORDS), ...byteLevelSteps({ splitWords: false })],
      ignoreMerges: false,
      addsBos: false,
      normalizer: { type: "NFC" },
    },
  ],
  ["gpt-2", { steps: byteLevelSteps({ splitWords: true }), ignoreMerges: false, addsBos: false }],
  ["llama-bpe", LLAMA3],
  ["llama-v3", LLAMA3],
  ["llama3", LLAMA3],
]);

const MERGES_KEY = "tokenizer.ggml.merges";

/**
 * The tokenizer definition in a GGUF file's metadata.
 * @param rowCount rows of the model's embedding
 */
export function tokenizerOfGguf(
  file: string,
  metadata: GgufMetadata,
  rowCount: number,
): TokenizerSource {
  const kind = metadata.required("tokenizer.ggml.model", metadata.text("tokenizer.ggml.model"));
  if (kind === "llama") return spmTokenizerOfGguf(file, metadata, rowCount);
  if (kind !== "gpt2") {
    const problem = `${kind.slice(0, 64)} is not supported; supported: gpt2 (byte-level BPE), llama (SentencePiece)`;
    throw new ModelError(file, "tokenizer.ggml.model", problem);
  }
  const pre = readPreTokenizer(file, metadata);
  const tokens = metadata.required(VOCABULARY_KEYS.tokens, metadata.texts(VOCABULARY_KEYS.tokens));
  const merges = metadata.required(MERGES_KEY, metadata.texts(MERGES_KEY));
  const definition: TokenizerDefinition = {
    model: {
      type: "BPE",
      vocab: readVocab(file, tokens),
      merges,
      unk_token: null,
      ignore_merges: pre.ignoreMerges,
    },
    added_tokens: readAddedTokens(file, readTypes(file, metadata, tokens.length), tokens),
    normalizer: pre.normalizer ?? null,
    pre_tokenizer: { type: "Sequence", pretokenizers: pre.steps },
    post_processor: postProcessor(metadata, { tokens, addsBos: pre.addsBos }),
    decoder: { type: "ByteLevel" },
  };
  const source = { file, definition };
  const names = {
    vocab: VOCABULARY_KEYS.tokens,
    merges: MERGES_KEY,
    addedTokens: VOCABULARY_KEYS.types,
  };
  checkDefinition(source, { names, rowCount });
  return source;
}

function readPreTokenizer(file: string, metadata: GgufMetadata): PreTokenizer {
  const key = "tokenizer.ggml.pre";
  const name = metadata.required(key, metadata.text(key));
  const pre = PRE_TOKENIZERS.get(name);
  if (pre) return pre;
  const supported = [...PRE_TOKENIZERS.keys()].join(", ");
  throw new ModelError(file, key, `${name.slice(0, 64)} is not supported; supported: ${supported}`);
}

function postProcessor(
  metadata: GgufMetadata,
  options: { readonly tokens: readonly string[]; readonly addsBos: boolean },
): unknown {
  const addsBos = metadata.flag("tokenizer.ggml.add_bos_token") ?? options.addsBos;
  const bosId = metadata.number("tokenizer.ggml.bos_token_id");
  const bos = bosId === undefined ? undefined : options.tokens[bosId];
  if (!addsBos || bos === undefined) return null;
  const single = [{ SpecialToken: { id: bos, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }];
  return { type: "TemplateProcessing", single, pair: single, special_tokens: {} };
}
