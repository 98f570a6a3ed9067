// Owns reading a batch's input: how many lines it has, and some lines from a place on. Holds one chunk and
// one round of lines in memory, whatever the size of the file.
import type { SealedFiles, SealedRef } from "@fairlane/db";
import { protocolLimits } from "@fairlane/protocol";
import { BATCH_ROUND_CHARS } from "./limits.ts";
import type { InputPlace } from "./batch-store.ts";

const NEWLINE = 10;
/** Bytes above it are no white space. */
const SPACE = 32;

export interface ReadLines {
  /** Lines that are not empty, with their numbers in the file; null for one above the bound. */
  readonly lines: readonly { readonly lineIndex: number; readonly text: string | null }[];
  readonly place: InputPlace;
  readonly isEnd: boolean;
}

/** Lines of the file that are not empty; undefined when there is no such file. */
export async function countLines(
  files: SealedFiles,
  input: SealedRef,
): Promise<number | undefined> {
  const content = await files.get(input);
  if (content === undefined) return undefined;
  let counted = { lineCount: 0, hasText: false };
  for await (const chunk of content.body) counted = countIn(chunk, counted);
  return counted.lineCount + (counted.hasText ? 1 : 0);
}

function countIn(
  chunk: Uint8Array,
  before: { readonly lineCount: number; readonly hasText: boolean },
): { lineCount: number; hasText: boolean } {
  let { lineCount, hasText } = before;
  for (const byte of chunk) {
    const isEnd = byte === NEWLINE;
    if (isEnd && hasText) lineCount += 1;
    hasText = !isEnd && (hasText || byte > SPACE);
  }
  return { lineCount, hasText };
}

/** The next lines from a place on; undefined when there is no such file. */
export async function readLines(
  files: SealedFiles,
  input: SealedRef,
  wanted: { readonly place: InputPlace; readonly countMax: number },
): Promise<ReadLines | undefined> {
  const { place, countMax } = wanted;
  const content = await files.get(input, place.byte);
  if (content === undefined) return undefined;
  const reader = new LineReader(place, countMax);
  for await (const chunk of content.body) {
    reader.push(chunk);
    if (reader.isFull) break;
  }
  return reader.end(content.clearBytes);
}

class LineReader {
  readonly #countMax: number;
  readonly #lines: { lineIndex: number; text: string | null }[] = [];
  #place: InputPlace;
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #chars = 0;

  constructor(place: InputPlace, countMax: number) {
    this.#place = place;
    this.#countMax = countMax;
  }

  get isFull(): boolean {
    return this.#lines.length >= this.#countMax || this.#chars >= BATCH_ROUND_CHARS;
  }

  push(chunk: Uint8Array): void {
    let from = 0;
    while (!this.isFull) {
      const at = chunk.indexOf(NEWLINE, from);
      if (at === -1) break;
      this.#keep(chunk.subarray(from, at));
      this.#line(1);
      from = at + 1;
    }
    if (!this.isFull) this.#keep(chunk.subarray(from));
  }

  end(fileBytes: number): ReadLines {
    if (!this.isFull && this.#partBytes > 0) this.#line(0);
    return { lines: this.#lines, place: this.#place, isEnd: this.#place.byte >= fileBytes };
  }

  /** Of a line that is too long only its length is kept. */
  #keep(part: Uint8Array): void {
    this.#partBytes += part.length;
    if (this.#partBytes <= protocolLimits.BODY_BYTES_MAX) this.#parts.push(part.slice());
    else this.#parts = [];
  }

  #line(endBytes: number): void {
    const { byte, lineIndex } = this.#place;
    this.#place = { byte: byte + this.#partBytes + endBytes, lineIndex: lineIndex + 1 };
    const isTooLong = this.#partBytes > protocolLimits.BODY_BYTES_MAX;
    const text = isTooLong ? null : textOf(this.#parts);
    this.#parts = [];
    this.#partBytes = 0;
    if (text === "") return;
    this.#chars += text?.length ?? 0;
    this.#lines.push({ lineIndex, text });
  }
}

function textOf(parts: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  return (
    parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode()
  ).trim();
}
