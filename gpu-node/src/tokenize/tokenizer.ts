// Owns text to token ids and token ids to bytes, over either kind of vocabulary (text-encoder.ts).
// Control tokens come only from text that the caller says may hold them; plain text never yields one.
import { assert } from "@fairlane/base";
import { errorText, ModelError } from "../model/model-error.ts";
import { byteLevelBytes } from "./byte-level.ts";
import { LibraryEncoder } from "./library-encoder.ts";
import { anyOf, SpmEncoder } from "./spm-encoder.ts";
import { spmBytes } from "./spm-pieces.ts";
import type { TextEncoder } from "./text-encoder.ts";
import type { AddedToken, TokenizerDefinition, TokenizerSource } from "./tokenizer-source.ts";

export interface EncodeOptions {
  /**
   * "parse": control tokens spelled in the text become those tokens, as transformers does.
   * "plain": they are text like any other.
   */
  readonly specialTokens: "parse" | "plain";
  /** Add what the model wants around a prompt, usually a beginning token. Chat templates bring their own. */
  readonly addsPromptTokens?: boolean;
}

const SPACE_BYTE = 0x20;
const PROBE = "Hello, wörld 123!\n  ok";

export class Tokenizer {
  /** Ids from 0; some may be unused. */
  readonly idCount: number;
  /** Ids of control tokens: no text when decoded. */
  readonly specialIds: ReadonlySet<number>;
  /** Bytes of the longest token: a text of n bytes has at least n / maxTokenBytes tokens. */
  readonly maxTokenBytes: number;
  /** The space before the first word of an output is no part of its text. */
  readonly stripsFirstSpace: boolean;
  private readonly encoder: TextEncoder;
  private readonly idOfText: ReadonlyMap<string, number>;
  private readonly specialOfText: ReadonlyMap<string, AddedToken>;
  private readonly specialPattern: RegExp | undefined;
  private readonly bytes: Uint8Array;
  private readonly byteStarts: Int32Array;

  constructor(source: TokenizerSource) {
    const { definition } = source;
    const special = definition.added_tokens.filter((token) => token.special);
    try {
      this.encoder = encoderOf(definition);
      // What the library cannot run shows here, not at the first request.
      const probe = { addsPromptTokens: true, isFirst: true };
      this.encoder.encode(PROBE, { ...probe, parsesSpecial: true });
      this.encoder.encode(PROBE, { ...probe, parsesSpecial: false });
    } catch (thrown) {
      throw new ModelError(source.file, "tokenizer", errorText(thrown));
    }
    this.specialIds = new Set(special.map((token) => token.id));
    this.specialOfText = new Map(special.map((token) => [token.content, token]));
    this.specialPattern = anyOf(special.map((token) => token.content));
    const texts = textsById(source);
    this.idCount = texts.length;
    this.idOfText = new Map(texts.map((text, id) => [text ?? "", id]));
    this.stripsFirstSpace = definition.spm?.stripsFirstSpace ?? false;
    const table = byteTable(texts, definition);
    this.bytes = table.bytes;
    this.byteStarts = table.starts;
    this.maxTokenBytes = table.longest;
  }

  /** The ids of `text`. Bytes that no token covers are left out. */
  encode(text: string, options: EncodeOptions): Int32Array {
    return Int32Array.from(
      this.encoder.encode(text, {
        parsesSpecial: options.specialTokens === "parse",
        addsPromptTokens: options.addsPromptTokens ?? false,
        isFirst: true,
      }),
    );
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
    // Text up to the next control token, marked ones included: it is encoded as one piece.
    let section = "";
    let before: AddedToken | undefined;
    const flush = (after: AddedToken | undefined): void => {
      let text = section.replaceAll(mark, "");
      if (before?.rstrip) text = text.trimStart();
      if (after?.lstrip) text = text.trimEnd();
      this.pushPlain(text, ids);
      section = "";
      before = after;
    };
    // With a capturing group, split() alternates text and control tokens: even and odd places.
    const pieces = text.split(this.specialPattern);
    for (const [index, piece] of pieces.entries()) {
      const special = index % 2 === 1 ? this.specialOfText.get(piece) : undefined;
      // A mark cannot stand inside a single character: it stands behind it.
      if (special === undefined || pieces[index + 1]?.startsWith(mark)) {
        section += piece;
        continue;
      }
      flush(special);
      ids.push(special.id);
    }
    flush(undefined);
    return Int32Array.from(ids);
  }

  /** Appends the ids of text that holds no control token, whatever it spells. */
  private pushPlain(text: string, ids: number[]): void {
    if (text === "") return;
    const options = { parsesSpecial: false, addsPromptTokens: false, isFirst: ids.length === 0 };
    // Not ids.push(...): a section may have more tokens than a call takes arguments.
    for (const id of this.encoder.encode(text, options)) {
      if (!this.specialIds.has(id)) ids.push(id);
    }
  }

  /** The whole text of `ids` without control tokens; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: Iterable<number>): string {
    const parts: Uint8Array[] = [];
    for (const id of ids) {
      if (this.specialIds.has(id)) continue;
      const bytes = this.tokenBytes(id);
      parts.push(parts.length === 0 ? this.withoutFirstSpace(bytes) : bytes);
    }
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(parts));
  }

  /** The bytes of an output's first token as they are part of its text. */
  withoutFirstSpace(bytes: Uint8Array): Uint8Array {
    return this.stripsFirstSpace && bytes[0] === SPACE_BYTE ? bytes.subarray(1) : bytes;
  }

  /** The bytes that a token stands for; none for an id without a token (embeddings have spare rows). */
  tokenBytes(id: number): Uint8Array {
    assert(Number.isInteger(id) && id >= 0, "a token id is a whole number");
    if (id >= this.idCount) return this.bytes.subarray(0, 0);
    return this.bytes.subarray(this.byteStarts[id], this.byteStarts[id + 1]);
  }

  /** The id of a token by its spelling in the vocabulary. */
  idOf(text: string): number | undefined {
    return this.idOfText.get(text);
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

function encoderOf(definition: TokenizerDefinition): TextEncoder {
  const { spm } = definition;
  return spm === undefined ? new LibraryEncoder(definition) : new SpmEncoder(definition, spm);
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
  { added_tokens, spm }: TokenizerDefinition,
): { bytes: Uint8Array; starts: Int32Array; longest: number } {
  const addedIds = new Set(added_tokens.map((token) => token.id));
  const starts = new Int32Array(texts.length + 1);
  const parts: Uint8Array[] = [];
  let longest = 1;
  for (const [id, text = ""] of texts.entries()) {
    // Added tokens and entries outside the alphabet are spelled as they are.
    const bytesOf = spm === undefined ? byteLevelBytes : spmBytes;
    const spelled = addedIds.has(id) ? undefined : bytesOf(text);
    const bytes = spelled ?? Buffer.from(text);
    parts.push(bytes);
    starts[id + 1] = (starts[id] ?? 0) + bytes.length;
    longest = Math.max(longest, bytes.length);
  }
  return { bytes: Buffer.concat(parts), starts, longest };
}
