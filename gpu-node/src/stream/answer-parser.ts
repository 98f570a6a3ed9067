// Owns the reading of an answer's text as it comes: what is reasoning, what is content, and what are tool calls in the
// model's format. Invariants: no part of a mark is ever delivered; the parts, joined, do not depend on how the text was
// cut into pieces.
import type { ToolCallDelta } from "@fairlane/protocol";
import { THINK_CLOSE, THINK_OPEN, type Reasoning } from "../grammar/after-reasoning.ts";
import { TOOL_MARKS, type ToolFormat } from "../grammar/tool-grammar.ts";
import { CallScanner, type CallPiece } from "./call-scanner.ts";

export interface AnswerFormat {
  /** Null: tool calls are text like any other. */
  readonly tools: ToolFormat | null;
  readonly reasoning: Reasoning;
}

/** What a piece of text added. */
export interface AnswerPart {
  readonly content: string;
  readonly reasoning: string;
  readonly calls: readonly ToolCallDelta[];
}

const CALL_CLOSE = "</tool_call>";

/** Where in the answer the text so far ends. */
type Place =
  /** Before anything but white space. */
  "start" | "reasoning" | "content" | "call" | "between";

export class AnswerParser {
  readonly #format: AnswerFormat;
  readonly #newCallId: () => string;
  #place: Place;
  /** Text that may be the beginning of a mark, or white space that nothing has followed yet. */
  #held = "";
  #scanner = new CallScanner();
  /** Calls with a name so far, and whether the one being read is among them. */
  #callCount = 0;
  #isNamed = false;
  /** White space after reasoning belongs to its end tag. */
  #hasReasoned = false;
  #content = "";
  #reasoning = "";
  #calls: ToolCallDelta[] = [];

  constructor(format: AnswerFormat, newCallId: () => string) {
    this.#format = format;
    this.#newCallId = newCallId;
    this.#place = format.reasoning === "open" ? "reasoning" : "start";
  }

  /** A call has begun. */
  get hasCalls(): boolean {
    return this.#callCount > 0;
  }

  push(text: string): AnswerPart {
    this.#held += text;
    while (this.#held !== "" && this.#advance());
    return this.#take();
  }

  /** What was held back, when no more text comes. */
  flush(): AnswerPart {
    const rest = this.#held;
    this.#held = "";
    if (this.#place === "reasoning") this.#reasoning += rest;
    else if (this.#place === "content") this.#content += rest;
    else if (this.#place === "start" && !this.#hasReasoned) this.#content += rest;
    return this.#take();
  }

  /** Reads on as far as it is certain what the held text is; false when it has to wait for more. */
  #advance(): boolean {
    switch (this.#place) {
      case "start":
        return this.#start();
      case "reasoning":
        return this.#text(THINK_CLOSE, (text) => (this.#reasoning += text), "start");
      case "content":
        return this.#text(this.#callMark(), (text) => (this.#content += text), "between");
      case "between":
        return this.#between();
      case "call":
        return this.#call();
    }
  }

  #callMark(): string | null {
    const { tools } = this.#format;
    return tools === null || tools === "llama3" ? null : TOOL_MARKS[tools];
  }

  /** White space before reasoning, or around calls, is no content. */
  #start(): boolean {
    const { tools, reasoning } = this.#format;
    const text = this.#held.trimStart();
    const marks = [
      ...(reasoning === null ? [] : [THINK_OPEN]),
      ...(tools === null ? [] : [TOOL_MARKS[tools]]),
    ];
    if (text === "") return this.#isUnmarked(marks);
    const mark = marks.find((one) => text.startsWith(one));
    if (mark !== undefined) {
      this.#held = text.slice(mark.length);
      this.#place = mark === THINK_OPEN ? "reasoning" : "between";
      return true;
    }
    if (marks.some((one) => one.startsWith(text))) return false;
    if (tools === "llama3" && text.startsWith("{")) {
      this.#held = text;
      this.#place = "between";
      return true;
    }
    if (this.#hasReasoned) this.#held = text;
    this.#place = "content";
    return true;
  }

  /** Nothing but white space so far: held while a mark may follow. */
  #isUnmarked(marks: readonly string[]): boolean {
    if (marks.length > 0 || this.#hasReasoned) return false;
    this.#place = "content";
    return true;
  }

  /** Delivers text up to a mark, and moves on behind it. */
  #text(mark: string | null, deliver: (text: string) => void, next: Place): boolean {
    const held = this.#held;
    const at = mark === null ? -1 : held.indexOf(mark);
    if (mark === null || at < 0) {
      const from = mark === null ? held.length : heldFrom(held, mark);
      deliver(held.slice(0, from));
      this.#held = held.slice(from);
      return false;
    }
    deliver(held.slice(0, at));
    this.#held = held.slice(at + mark.length);
    if (this.#place === "reasoning") this.#hasReasoned = true;
    this.#place = next;
    return true;
  }

  /** Between a mark or a call and the next call's brace. */
  #between(): boolean {
    const { tools } = this.#format;
    const text = this.#held.trimStart();
    this.#held = text;
    if (text === "") return false;
    if (text.startsWith("{")) {
      this.#scanner = new CallScanner();
      this.#isNamed = false;
      this.#place = "call";
      return true;
    }
    const skipped = [
      CALL_CLOSE,
      tools === null ? CALL_CLOSE : TOOL_MARKS[tools],
      "[",
      "]",
      ",",
      ";",
    ];
    const mark = skipped.find((one) => text.startsWith(one));
    if (mark !== undefined) {
      this.#held = text.slice(mark.length);
      return true;
    }
    if (skipped.some((one) => one.startsWith(text))) return false;
    this.#place = "content";
    return true;
  }

  #call(): boolean {
    let at = 0;
    let isLast = false;
    for (; at < this.#held.length && !isLast; at++) {
      const piece = this.#scanner.push(this.#held.charAt(at));
      isLast = piece.isLast === true;
      this.#addPiece(piece);
    }
    this.#held = this.#held.slice(at);
    if (isLast) this.#place = "between";
    return isLast;
  }

  /** A call is known once its name is; one without a name is none. */
  #addPiece({ name, arguments: given }: CallPiece): void {
    if (name !== undefined) {
      this.#calls.push({ index: this.#callCount, id: this.#newCallId(), name });
      this.#callCount += 1;
      this.#isNamed = true;
    }
    if (given === undefined || !this.#isNamed) return;
    const last = this.#calls.at(-1);
    const index = this.#callCount - 1;
    if (last?.index !== index) this.#calls.push({ index, arguments: given });
    else
      this.#calls[this.#calls.length - 1] = { ...last, arguments: (last.arguments ?? "") + given };
  }

  #take(): AnswerPart {
    const part = { content: this.#content, reasoning: this.#reasoning, calls: this.#calls };
    this.#content = "";
    this.#reasoning = "";
    this.#calls = [];
    return part;
  }
}

/** Where the longest suffix begins that the mark begins with. */
function heldFrom(text: string, mark: string): number {
  for (let at = Math.max(0, text.length - mark.length + 1); at < text.length; at++) {
    if (mark.startsWith(text.slice(at))) return at;
  }
  return text.length;
}
