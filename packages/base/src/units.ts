// Owns the branded numbers and ids whose mix-up would cost money or memory, and every conversion between
// them. Invariant: a branded integer is a safe integer; constructors assert it.
import { assert, AssertionError } from "./assert.ts";

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** A duration or a point in time in milliseconds (points are UTC since 1970). */
export type Ms = Branded<number, "Ms">;
/** A count of tokens. */
export type Tokens = Branded<number, "Tokens">;
/** A count of bytes. */
export type Bytes = Branded<number, "Bytes">;
/** A count of pages of the page pool. */
export type Pages = Branded<number, "Pages">;
/** Money: integer nano-USD, at most 2^53 - 1 (about 9 million USD). */
export type NanoUsd = Branded<number, "NanoUsd">;

function count<B extends string>(value: number, unit: string): Branded<number, B> {
  // The message is made only when it is needed: counts are taken for every token.
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new AssertionError(`${unit} must be a safe integer >= 0, got ${value}`);
  }
  return value as Branded<number, B>;
}

export const units = {
  ms: (value: number): Ms => count(value, "Ms"),
  tokens: (value: number): Tokens => count(value, "Tokens"),
  bytes: (value: number): Bytes => count(value, "Bytes"),
  pages: (value: number): Pages => count(value, "Pages"),
  /** May be negative: corrections and credits are. */
  nanoUsd(value: number): NanoUsd {
    assert(Number.isSafeInteger(value), `NanoUsd must be a safe integer, got ${value}`);
    return value as NanoUsd;
  },
  /** Pages that hold `tokens` tokens at `tokensPerPage` a page, rounded up. */
  pagesForTokens(tokens: number, tokensPerPage: number): Pages {
    return count(Math.ceil(tokens / tokensPerPage), "Pages");
  },
} as const;
