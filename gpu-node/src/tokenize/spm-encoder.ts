// Owns encoding by a SentencePiece BPE vocabulary (Llama 2, Mistral): spaces become U+2581, pieces are merged by score or
// by a list of merges, and what no piece covers is spelled in bytes. Added tokens are looked for first.
import { mergeSymbols, type RankOf } from "./merge-symbols.ts";
import { bytePiece, SPM_SPACE } from "./spm-pieces.ts";
import type { TextEncoder, TextEncoderOptions } from "./text-encoder.ts";
import type { AddedToken, SpmRules, TokenizerDefinition } from "./tokenizer-source.ts";

export class SpmEncoder implements TextEncoder {
  readonly #rules: SpmRules;
  readonly #idOf: ReadonlyMap<string, number>;
  readonly #rankOf: RankOf;
  readonly #unknownId: number | undefined;
  readonly #allAdded: AddedSplitter;
  readonly #plainAdded: AddedSplitter;

  constructor(definition: TokenizerDefinition, rules: SpmRules) {
    const { model, added_tokens } = definition;
    this.#rules = rules;
    this.#idOf = new Map(Object.entries(model.vocab));
    this.#rankOf = rankOf(definition, rules, this.#idOf);
    this.#unknownId = model.unk_token === null ? undefined : this.#idOf.get(model.unk_token);
    this.#allAdded = new AddedSplitter(added_tokens);
    this.#plainAdded = new AddedSplitter(added_tokens.filter(({ special }) => !special));
  }

  encode(text: string, options: TextEncoderOptions): readonly number[] {
    const { prefixIds, suffixIds } = this.#rules;
    const ids = options.addsPromptTokens ? [...prefixIds] : [];
    const added = options.parsesSpecial ? this.#allAdded : this.#plainAdded;
    for (const { token, text: section, at } of added.split(text)) {
      if (token === undefined) {
        this.#encodeSection(section, options.isFirst && at === 0, ids);
      } else {
        ids.push(token.id);
      }
    }
    if (options.addsPromptTokens) ids.push(...suffixIds);
    return ids;
  }

  #encodeSection(section: string, isFirst: boolean, ids: number[]): void {
    if (section === "") return;
    const spelled = section.replaceAll(" ", SPM_SPACE);
    const symbols = Array.from(this.#withPrefix(spelled, isFirst));
    let lastUnknown = -1;
    for (const piece of mergeSymbols(symbols, this.#rankOf)) {
      const id = this.#idOf.get(piece);
      if (id !== undefined) ids.push(id);
      else if (!this.#pushBytes(piece, ids) && this.#unknownId !== undefined) {
        // Neighbours that nothing covers are one unknown token.
        if (lastUnknown !== ids.length) ids.push(this.#unknownId);
        lastUnknown = ids.length;
      }
    }
  }

  #withPrefix(spelled: string, isFirst: boolean): string {
    switch (this.#rules.spacePrefix) {
      case "always":
        return SPM_SPACE + spelled;
      case "first":
        return isFirst && !spelled.startsWith(SPM_SPACE) ? SPM_SPACE + spelled : spelled;
      case "never":
        return spelled;
    }
  }

  /** False when the vocabulary lacks one of the bytes. */
  #pushBytes(piece: string, ids: number[]): boolean {
    const byteIds = [...Buffer.from(piece)].map((byte) => this.#idOf.get(bytePiece(byte)));
    const known = byteIds.filter((id) => id !== undefined);
    if (known.length !== byteIds.length) return false;
    ids.push(...known);
    return true;
  }
}

/** Merges as listed, or, where the file has scores, every pair whose union is a piece, the best score first. */
function rankOf(
  { model, added_tokens }: TokenizerDefinition,
  { scores }: SpmRules,
  idOf: ReadonlyMap<string, number>,
): RankOf {
  if (scores === null) {
    const rankOfPair = new Map<string, number>();
    for (const [rank, merge] of model.merges.entries()) {
      // Spaces are spelled U+2581, so that one space separates a pair unmistakably.
      rankOfPair.set(typeof merge === "string" ? merge : merge.join(" "), rank);
    }
    return (left, right) => rankOfPair.get(`${left} ${right}`);
  }
  const rankOfPiece = new Map<string, number>();
  const addedIds = new Set(added_tokens.map(({ id }) => id));
  for (const [piece, id] of idOf) {
    const score = scores[id];
    if (score !== undefined && !addedIds.has(id) && !/^<0x..>$/.test(piece)) {
      rankOfPiece.set(piece, -score);
    }
  }
  return (left, right) => rankOfPiece.get(left + right);
}

interface Section {
  /** Undefined: text between added tokens. */
  readonly token: AddedToken | undefined;
  readonly text: string;
  /** Where it begins in the whole text. */
  readonly at: number;
}

/** Splits text at added tokens, the longest first where several begin at one place. */
class AddedSplitter {
  readonly #tokenOf: ReadonlyMap<string, AddedToken>;
  readonly #pattern: RegExp | undefined;

  constructor(tokens: readonly AddedToken[]) {
    this.#tokenOf = new Map(tokens.map((token) => [token.content, token]));
    this.#pattern = anyOf(tokens.map(({ content }) => content));
  }

  split(text: string): Section[] {
    const pieces = this.#pattern === undefined ? [text] : text.split(this.#pattern);
    const sections: Section[] = [];
    let at = 0;
    // With a capturing group, split() alternates text and tokens.
    for (const [index, piece] of pieces.entries()) {
      const token = index % 2 === 1 ? this.#tokenOf.get(piece) : undefined;
      let section = piece;
      if (token === undefined && this.#tokenOf.get(pieces[index - 1] ?? "")?.rstrip) {
        section = section.trimStart();
      }
      if (token === undefined && this.#tokenOf.get(pieces[index + 1] ?? "")?.lstrip) {
        section = section.trimEnd();
      }
      sections.push({ token, text: section, at });
      at += piece.length;
    }
    return sections;
  }
}

/** Matches the longest of the texts first. With a capturing group, for String.split. */
export function anyOf(texts: readonly string[]): RegExp | undefined {
  if (texts.length === 0) return undefined;
  const longestFirst = texts.toSorted((a, b) => b.length - a.length);
  const escaped = longestFirst.map((text) => text.replace(/[$()*+.?[\\\]^{|}]/g, "\\$&"));
  return new RegExp(`(${escaped.join("|")})`);
}
