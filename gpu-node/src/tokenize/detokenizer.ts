// Owns turning one request's output tokens into text as they come. It never gives half a code point: bytes wait
// until their code point is whole or broken. The pieces joined, with flush(), equal decoding all tokens at once.
import type { Tokenizer } from "./tokenizer.ts";

export class Detokenizer {
  private readonly tokenizer: Tokenizer;
  private readonly shownIds: ReadonlySet<number> | undefined;
  private readonly decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** A token with text has come, or the text continues another. */
  private hasBegun: boolean;

  /**
   * @param options.shownIds control tokens that have their spelling as text
   * @param options.isContinuation the text continues another, so that a space at its start is its own
   */
  constructor(
    tokenizer: Tokenizer,
    options: {
      readonly shownIds?: ReadonlySet<number> | undefined;
      readonly isContinuation?: boolean;
    } = {},
  ) {
    this.tokenizer = tokenizer;
    this.shownIds = options.shownIds;
    this.hasBegun = options.isContinuation ?? false;
  }

  /** The text that the token completes, often empty within a multi-byte character. Control tokens have none. */
  push(tokenId: number): string {
    if (this.tokenizer.specialIds.has(tokenId) && !this.shownIds?.has(tokenId)) return "";
    const whole = this.tokenizer.tokenBytes(tokenId);
    const bytes = this.hasBegun ? whole : this.tokenizer.withoutFirstSpace(whole);
    this.hasBegun = true;
    return this.decoder.decode(bytes, { stream: true });
  }

  /** The text of several tokens at once. */
  pushAll(tokenIds: Iterable<number>): string {
    let text = "";
    for (const tokenId of tokenIds) text += this.push(tokenId);
    return text;
  }

  /** What is left at the end: U+FFFD when the output stopped inside a code point, else nothing. */
  flush(): string {
    return this.decoder.decode();
  }
}
