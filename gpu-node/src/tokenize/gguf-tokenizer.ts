// Owns turning the tokenizer of a GGUF file's metadata into a tokenizer definition. The kinds of
// `tokenizer.ggml.pre` listed here are those whose split is known; guessing it would tokenise wrongly in silence.
import type { GgufMetadata } from "../model/gguf.ts";
import { TOKEN_CHARS_MAX } from "../model/limits.ts";
import { ModelError } from "../model/model-error.ts";
import {
  byteLevelSteps,
  checkDefinition,
  splitBy,
  type AddedToken,
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

// tokenizer.ggml.token_type
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;

const TOKENS_KEY = "tokenizer.ggml.tokens";
const TYPES_KEY = "tokenizer.ggml.token_type";
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
  if (kind !== "gpt2") {
    const problem = `${kind.slice(0, 64)} is not supported; supported: gpt2 (byte-level BPE)`;
    throw new ModelError(file, "tokenizer.ggml.model", problem);
  }
  const pre = readPreTokenizer(file, metadata);
  const tokens = metadata.required(TOKENS_KEY, metadata.texts(TOKENS_KEY));
  const merges = metadata.required(MERGES_KEY, metadata.texts(MERGES_KEY));
  const definition: TokenizerDefinition = {
    model: {
      type: "BPE",
      vocab: readVocab(file, tokens),
      merges,
      unk_token: null,
      ignore_merges: pre.ignoreMerges,
    },
    added_tokens: readAddedTokens(file, metadata, tokens),
    normalizer: pre.normalizer ?? null,
    pre_tokenizer: { type: "Sequence", pretokenizers: pre.steps },
    post_processor: postProcessor(metadata, { tokens, addsBos: pre.addsBos }),
    decoder: { type: "ByteLevel" },
  };
  const source = { file, definition };
  const names = { vocab: TOKENS_KEY, merges: MERGES_KEY, addedTokens: TYPES_KEY };
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

function readVocab(file: string, tokens: readonly string[]): Readonly<Record<string, number>> {
  const idOf = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    const first = idOf.get(token);
    if (first !== undefined) {
      throw new ModelError(file, `${TOKENS_KEY}[${id}]`, `has the text of token ${first}`);
    }
    idOf.set(token, id);
  }
  return Object.fromEntries(idOf);
}

function readAddedTokens(
  file: string,
  metadata: GgufMetadata,
  tokens: readonly string[],
): readonly AddedToken[] {
  const types = metadata.required(TYPES_KEY, metadata.numbers(TYPES_KEY));
  if (types.length !== tokens.length) {
    const problem = `has ${types.length} elements for ${tokens.length} tokens`;
    throw new ModelError(file, TYPES_KEY, problem);
  }
  const added: AddedToken[] = [];
  for (const [id, type] of types.entries()) {
    if (type === NORMAL || type === UNUSED) continue;
    const content = tokens[id] ?? "";
    if (![UNKNOWN, CONTROL, USER_DEFINED].includes(type) || content.length > TOKEN_CHARS_MAX) {
      throw new ModelError(file, `${TYPES_KEY}[${id}]`, `${type} is not a type of such a token`);
    }
    added.push({
      id,
      content,
      special: type !== USER_DEFINED,
      normalized: false,
      lstrip: false,
      rstrip: false,
      single_word: false,
    });
  }
  return added;
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
