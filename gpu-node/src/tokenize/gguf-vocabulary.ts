// Owns reading what all vocabularies of GGUF files have: the tokens' texts and types. How text becomes tokens is
// gguf-tokenizer.ts's (byte-level BPE) and gguf-spm-tokenizer.ts's.
import type { GgufMetadata } from "../model/gguf.ts";
import { TOKEN_CHARS_MAX } from "../model/limits.ts";
import { ModelError } from "../model/model-error.ts";
import type { AddedToken } from "./tokenizer-source.ts";

/** tokenizer.ggml.token_type */
export const TOKEN_TYPES = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

export const VOCABULARY_KEYS = {
  tokens: "tokenizer.ggml.tokens",
  types: "tokenizer.ggml.token_type",
} as const;

const PLAIN_TYPES: readonly number[] = [TOKEN_TYPES.normal, TOKEN_TYPES.unused, TOKEN_TYPES.byte];
const ADDED_TYPES: readonly number[] = [
  TOKEN_TYPES.unknown,
  TOKEN_TYPES.control,
  TOKEN_TYPES.userDefined,
];

/** Ids by text; throws at a text that two tokens have. */
export function readVocab(
  file: string,
  tokens: readonly string[],
): Readonly<Record<string, number>> {
  const idOf = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    const first = idOf.get(token);
    if (first !== undefined) {
      throw new ModelError(
        file,
        `${VOCABULARY_KEYS.tokens}[${id}]`,
        `has the text of token ${first}`,
      );
    }
    idOf.set(token, id);
  }
  return Object.fromEntries(idOf);
}

/** The types, one for each token. */
export function readTypes(
  file: string,
  metadata: GgufMetadata,
  tokenCount: number,
): readonly number[] {
  const types = metadata.required(VOCABULARY_KEYS.types, metadata.numbers(VOCABULARY_KEYS.types));
  if (types.length === tokenCount) return types;
  const problem = `has ${types.length} elements for ${tokenCount} tokens`;
  throw new ModelError(file, VOCABULARY_KEYS.types, problem);
}

/** Tokens that are looked for in the text before the vocabulary is. */
export function readAddedTokens(
  file: string,
  types: readonly number[],
  tokens: readonly string[],
): readonly AddedToken[] {
  const added: AddedToken[] = [];
  for (const [id, type] of types.entries()) {
    if (PLAIN_TYPES.includes(type)) continue;
    const content = tokens[id] ?? "";
    if (!ADDED_TYPES.includes(type) || content.length > TOKEN_CHARS_MAX) {
      throw new ModelError(
        file,
        `${VOCABULARY_KEYS.types}[${id}]`,
        `${type} is not a type of such a token`,
      );
    }
    added.push({
      id,
      content,
      special: type !== TOKEN_TYPES.userDefined,
      normalized: false,
      lstrip: false,
      rstrip: false,
      single_word: false,
    });
  }
  return added;
}
