// Owns the definition that a tokenizer is built from, whatever file it came from: the shape of tokenizer.json,
// limited to byte-level BPE and to SentencePiece BPE with byte fallback. A checked definition has each id once, merges that stay within the vocabulary, and
// no id that the model has no embedding for. It is plain data and can be sent to a worker thread.
import { z } from "zod";
import { ADDED_TOKENS_MAX, TOKEN_CHARS_MAX, VOCAB_TOKENS_MAX } from "../model/limits.ts";
import { ModelError } from "../model/model-error.ts";
import { isRecord } from "../model/read-json.ts";

/** A token that is looked for in the text before the vocabulary is. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Control tokens: not part of what a user writes or reads. */
  readonly special: boolean;
  readonly normalized: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly single_word: boolean;
}

type Merge = string | readonly [left: string, right: string];

/** What SentencePiece vocabularies need beside the definition, in place of its normalizer and its other steps. */
export interface SpmRules {
  /** By id: pieces of a higher score are merged first. Null: the definition's merges say the order. */
  readonly scores: readonly number[] | null;
  /** A space before every section between control tokens, before the first word of a text only, or never. */
  readonly spacePrefix: "always" | "first" | "never";
  /** The space before the first word of an output is no part of its text. */
  readonly stripsFirstSpace: boolean;
  /** Put before and behind a prompt. */
  readonly prefixIds: readonly number[];
  readonly suffixIds: readonly number[];
}

/** tokenizer.json of a byte-level BPE tokenizer; with `spm`, of a SentencePiece one. */
export interface TokenizerDefinition {
  readonly model: {
    readonly type: "BPE";
    readonly vocab: Readonly<Record<string, number>>;
    readonly merges: readonly Merge[];
    readonly unk_token: string | null;
    readonly ignore_merges: boolean;
  };
  readonly added_tokens: readonly AddedToken[];
  readonly normalizer: unknown;
  readonly pre_tokenizer: unknown;
  readonly post_processor: unknown;
  readonly decoder: unknown;
  readonly spm?: SpmRules;
}

export interface TokenizerSource {
  /** The file named in errors. */
  readonly file: string;
  readonly definition: TokenizerDefinition;
}

/** How a file calls the parts of a definition, for errors that a reader can look up. */
export interface PartNames {
  readonly vocab: string;
  readonly merges: string;
  readonly addedTokens: string;
}

export const addedTokenSchema = z.object({
  id: z.int().min(0),
  content: z.string().min(1).max(TOKEN_CHARS_MAX),
  special: z.boolean().default(false),
  normalized: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  single_word: z.boolean().default(false),
});

/**
 * Checks what the library takes on trust.
 * @param rowCount rows of the model's embedding
 */
export function checkDefinition(
  source: TokenizerSource,
  options: { readonly names: PartNames; readonly rowCount: number },
): void {
  const { file, definition } = source;
  const { names, rowCount } = options;
  const idOf = checkVocab(file, { vocab: definition.model.vocab, names, rowCount });
  checkMerges(file, { merges: definition.model.merges, names, idOf });
  checkAddedTokens(file, { tokens: definition.added_tokens, names, idOf, rowCount });
}

function checkVocab(
  file: string,
  options: {
    readonly vocab: Readonly<Record<string, number>>;
    readonly names: PartNames;
    readonly rowCount: number;
  },
): ReadonlyMap<string, number> {
  const { vocab, names, rowCount } = options;
  const idOf = new Map(Object.entries(vocab));
  if (idOf.size === 0 || idOf.size > VOCAB_TOKENS_MAX) {
    const problem = `${idOf.size} tokens are outside 1 to ${VOCAB_TOKENS_MAX}`;
    throw new ModelError(file, names.vocab, problem);
  }
  const ids = new Set<number>();
  for (const [token, id] of idOf) {
    const subject = `${names.vocab}[${JSON.stringify(token.slice(0, 64))}]`;
    if (token.length === 0 || token.length > TOKEN_CHARS_MAX) {
      throw new ModelError(file, subject, "has no text or too long a text");
    }
    if (!Number.isSafeInteger(id) || id < 0 || id >= rowCount) {
      throw new ModelError(file, subject, `id ${id} is not one of the model's ${rowCount}`);
    }
    if (ids.has(id)) throw new ModelError(file, subject, `id ${id} belongs to another token`);
    ids.add(id);
  }
  return idOf;
}

function checkMerges(
  file: string,
  options: {
    readonly merges: readonly Merge[];
    readonly names: PartNames;
    readonly idOf: ReadonlyMap<string, number>;
  },
): void {
  const { merges, names, idOf } = options;
  for (const [index, merge] of merges.entries()) {
    const parts: readonly string[] = typeof merge === "string" ? merge.split(" ") : merge;
    const [left = "", right = ""] = parts;
    if (parts.length === 2 && idOf.has(left) && idOf.has(right) && idOf.has(left + right)) continue;
    const subject = `${names.merges}[${index}]`;
    throw new ModelError(file, subject, "is no pair of tokens whose union is a token");
  }
}

function checkAddedTokens(
  file: string,
  options: {
    readonly tokens: readonly AddedToken[];
    readonly names: PartNames;
    readonly idOf: ReadonlyMap<string, number>;
    readonly rowCount: number;
  },
): void {
  const { tokens, names, idOf, rowCount } = options;
  if (tokens.length > ADDED_TOKENS_MAX) {
    const problem = `${tokens.length} are more than ${ADDED_TOKENS_MAX}`;
    throw new ModelError(file, names.addedTokens, problem);
  }
  const tokenOfId = new Map([...idOf].map(([token, id]) => [id, token]));
  for (const { id, content } of tokens) {
    const subject = `${names.addedTokens}[${JSON.stringify(content.slice(0, 64))}]`;
    if (id >= rowCount) {
      throw new ModelError(file, subject, `id ${id} is not one of the model's ${rowCount}`);
    }
    if ((tokenOfId.get(id) ?? content) !== content || (idOf.get(content) ?? id) !== id) {
      throw new ModelError(file, subject, `id ${id} belongs to another token`);
    }
    tokenOfId.set(id, content);
  }
}

// [GPT-2] the split of text into words that byte-level BPE starts from.
const GPT2_WORDS =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** A pre-tokenizer that makes each match of `regex` a piece of its own. */
export function splitBy(regex: string): Record<string, unknown> {
  return { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false };
}

/** Spells pieces in the byte-level alphabet; `splitWords` splits them into words before. */
export function byteLevelSteps(options: {
  readonly splitWords: boolean;
}): readonly Record<string, unknown>[] {
  const spell = { type: "ByteLevel", add_prefix_space: false, use_regex: false };
  return options.splitWords ? [splitBy(GPT2_WORDS), spell] : [spell];
}

/**
 * Replaces pre-tokenizers whose JavaScript differs from the original by equal ones that do not: the library's
 * `Digits` knows ASCII digits only (the original: category N), and the regex inside its `ByteLevel` counts
 * U+FEFF as white space and U+0085 not, while its `Split` translates \s properly.
 * @returns undefined for null, else the list of steps
 */
export function rewritePreTokenizer(
  file: string,
  config: unknown,
): readonly Record<string, unknown>[] {
  if (config === null || config === undefined) return [];
  if (!isRecord(config)) throw new ModelError(file, "pre_tokenizer", "is not an object");
  switch (config["type"]) {
    case "Sequence": {
      const steps = config["pretokenizers"];
      if (!Array.isArray(steps) || steps.length > 16) {
        throw new ModelError(file, "pre_tokenizer.pretokenizers", "is not a list of up to 16");
      }
      return steps.flatMap((step: unknown) => {
        const isNested = isRecord(step) && step["type"] === "Sequence";
        if (isNested) throw new ModelError(file, "pre_tokenizer", "is a sequence of sequences");
        return rewritePreTokenizer(file, step);
      });
    }
    case "Digits":
      return [splitBy(config["individual_digits"] === true ? "\\p{N}" : "\\p{N}+")];
    case "ByteLevel": {
      if (config["add_prefix_space"] === true) return [config];
      return byteLevelSteps({ splitWords: config["use_regex"] !== false });
    }
    case "Split": {
      // The library treats every other behaviour as "Isolated".
      const behavior = String(config["behavior"]);
      if (["Isolated", "Removed"].includes(behavior) || config["invert"] === true) return [config];
      throw new ModelError(
        file,
        "pre_tokenizer",
        `Split ${behavior.slice(0, 32)} is not supported`,
      );
    }
    default:
      return [config];
  }
}
