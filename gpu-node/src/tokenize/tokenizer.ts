// Owns text to token ids and token ids to bytes, with @huggingface/tokenizers doing the splitting and merging.
// Control tokens come only from text that the caller says may hold them; plain text never yields one.
import { assert } from "@fairlane/base";
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { errorText, ModelError } from "../model/model-error.ts";
import { byteLevelBytes } from "./byte-level.ts";
import type { AddedToken, TokenizerSource } from "./tokenizer-source.ts";

export interface EncodeOptions {
  /**
   * "parse": control tokens spelled in the text become those tokens, as transformers does.
   * "plain": they are text like any other.
   */
  readonly specialTokens: "parse" | "plain";
  /** Add what the model wants around a prompt, usually a beginning token. Chat templates bring their own. */
  readonly addsPromptTokens?: boolean;
}

const LIBRARY_CONFIG = { clean_up_tokenization_spaces: false };
const PROBE = "Hello, wörld 123!\n  ok";

export class Tokenizer {
  /** Ids from 0; some may be unused. */
  readonly idCount: number;
  /** Ids of control tokens: no text when decoded. */
  readonly specialIds: ReadonlySet<number>;
  /** Bytes of the longest token: a text of n bytes has at least n / maxTokenBytes tokens. */
  readonly maxTokenBytes: number;
  private readonly parsing: Library;
  private readonly plain: Library;
  private readonly specialOfText: ReadonlyMap<string, AddedToken>;
  private readonly specialPattern: RegExp | undefined;
  private readonly bytes: Uint8Array;
  private readonly byteStarts: Int32Array;

  constructor(source: TokenizerSource) {
    const { definition } = source;
    const special = definition.added_tokens.filter((token) => token.special);
    try {
      this.parsing = new Library(definition, LIBRARY_CONFIG);
      this.plain = plainLibrary(source, this.parsing);
      // What the library cannot run shows here, not at the first request.
      this.parsing.encode(PROBE);
      this.plain.encode(PROBE);
    } catch (thrown) {
      throw new ModelError(source.file, "tokenizer", errorText(thrown));
    }
    this.specialIds = new Set(special.map((token) => token.id));
    this.specialOfText = new Map(special.map((token) => [token.content, token]));
    this.specialPattern = anyOf(special.map((token) => token.content));
    const texts = textsById(source);
    this.idCount = texts.length;
    const table = byteTable(texts, definition.added_tokens);
    this.bytes = table.bytes;
    this.byteStarts = table.starts;
    this.maxTokenBytes = table.longest;
  }

  /** The ids of `text`. Bytes that no token covers are left out. */
  encode(text: string, options: EncodeOptions): Int32Array {
    const library = options.specialTokens === "parse" ? this.parsing : this.plain;
    const add_special_tokens = options.addsPromptTokens ?? false;
    return Int32Array.from(library.encode(text, { add_special_tokens }).ids);
  }

  /**
   * The ids of a text in which `mark` stands inside every control token's spelling that must stay text. Control
   * tokens without a mark are parsed; the marks themselves leave no trace.
   */
  encodeMarked(text: string, mark: string): Int32Array {
    if (!this.specialPattern || !text.includes(mark)) {
      return this.encode(text, { specialTokens: "parse" });
    }
    const ids: number[] = [];
    // With a capturing group, split() alternates text and control tokens: even and odd places.
    const pieces = text.split(this.specialPattern);
    for (const [index, piece] of pieces.entries()) {
      const special = index % 2 === 1 ? this.specialOfText.get(piece) : undefined;
      // A mark cannot stand inside a single character: it stands behind it.
      if (special && !pieces[index + 1]?.startsWith(mark)) {
        ids.push(special.id);
        continue;
      }
      const before = this.specialOfText.get(pieces[index - 1] ?? "");
      const after = this.specialOfText.get(pieces[index + 1] ?? "");
      let section = piece.replaceAll(mark, "");
      if (before?.rstrip) section = section.trimStart();
      if (after?.lstrip) section = section.trimEnd();
      // Not ids.push(...): a section may have more tokens than a call takes arguments.
      for (const id of this.plain.encode(section, { add_special_tokens: false }).ids) {
        if (!this.specialIds.has(id)) ids.push(id);
      }
    }
    return Int32Array.from(ids);
  }

  /** The whole text of `ids` without control tokens; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: Iterable<number>): string {
    const parts: Uint8Array[] = [];
    for (const id of ids) if (!this.specialIds.has(id)) parts.push(this.tokenBytes(id));
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(parts));
  }

  /** The bytes that a token stands for; none for an id without a token (embeddings have spare rows). */
  tokenBytes(id: number): Uint8Array {
    assert(Number.isInteger(id) && id >= 0, "a token id is a whole number");
    if (id >= this.idCount) return this.bytes.subarray(0, 0);
    return this.bytes.subarray(this.byteStarts[id], this.byteStarts[id + 1]);
  }

  /** The id of a token by its spelling in the vocabulary. */
  idOf(text: string): number | undefined {
    return this.parsing.token_to_id(text);
  }

  /** True when a control token is spelled in the text. */
  holdsSpecial(text: string): boolean {
    return this.specialPattern?.test(text) ?? false;
  }

  /** Spellings of all control tokens. */
  specialTexts(): Iterable<string> {
    return this.specialOfText.keys();
  }
}

/** A second tokenizer that knows no control tokens and shares the first one's vocabulary and merges. */
function plainLibrary(source: TokenizerSource, parsing: Library): Library {
  const { definition } = source;
  const plain = new Library(
    {
      ...definition,
      model: { ...definition.model, vocab: {}, merges: [] },
      added_tokens: definition.added_tokens.filter((token) => !token.special),
    },
    LIBRARY_CONFIG,
  );
  plain.model = parsing.model;
  return plain;
}

/** Matches the longest of the texts first, as the library's own splitter does. */
function anyOf(texts: readonly string[]): RegExp | undefined {
  if (texts.length === 0) return undefined;
  const longestFirst = texts.toSorted((a, b) => b.length - a.length);
  const escaped = longestFirst.map((text) => text.replace(/[$()*+.?[\\\]^{|}]/g, "\\$&"));
  return new RegExp(`(${escaped.join("|")})`);
}

function textsById(source: TokenizerSource): readonly (string | undefined)[] {
  const { model, added_tokens } = source.definition;
  const texts: (string | undefined)[] = [];
  for (const [text, id] of Object.entries(model.vocab)) texts[id] = text;
  for (const { id, content } of added_tokens) texts[id] = content;
  // Array.from turns holes into undefined.
  return Array.from(texts);
}

/** All tokens' bytes one after another; token i has bytes starts[i] to starts[i + 1]. */
function byteTable(
  texts: readonly (string | undefined)[],
  addedTokens: readonly AddedToken[],
): { bytes: Uint8Array; starts: Int32Array; longest: number } {
  const addedIds = new Set(addedTokens.map((token) => token.id));
  const starts = new Int32Array(texts.length + 1);
  const parts: Uint8Array[] = [];
  let longest = 1;
  for (const [id, text = ""] of texts.entries()) {
    // Added tokens and entries outside the alphabet are spelled as they are.
    const spelled = addedIds.has(id) ? undefined : byteLevelBytes(text);
    const bytes = spelled ?? Buffer.from(text);
    parts.push(bytes);
    starts[id + 1] = (starts[id] ?? 0) + bytes.length;
    longest = Math.max(longest, bytes.length);
  }
  return { bytes: Buffer.concat(parts), starts, longest };
}
