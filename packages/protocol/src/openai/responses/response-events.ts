// Owns the event sequence of a streamed response, as OpenAI's SDK follows it: created, in_progress, then for each item
// added, its parts and deltas, done, and at last completed, incomplete or failed. Invariant: sequence numbers have no
// gap; at most one item is open, and every one that was added is done before the end.
import { assert } from "@fairlane/base";
import type { ErrorValue } from "../../app-error.ts";
import type { AnswerDelta, AnswerEnd, AnswerEvents } from "../answer-events.ts";
import type { ChatHead, TokenCounts } from "../chat-response.ts";
import type { TokenLogprob } from "../logprobs.ts";
import { sseEvent } from "../sse.ts";
import type { ToolCallDelta } from "../tool-call-delta.ts";
import { itemId, outputText, type OutputItem } from "./output-items.ts";
import { responseBody, statusOf, type ResponseEcho, type ResponseState } from "./response-body.ts";

/** The item that is being said. */
interface OpenItem {
  readonly id: string;
  readonly type: OutputItem["type"];
  text: string;
  readonly logprobs: TokenLogprob[];
  readonly callId: string;
  readonly name: string;
}

export class ResponseEvents implements AnswerEvents {
  readonly #head: ChatHead;
  readonly #echo: ResponseEcho;
  readonly #output: OutputItem[] = [];
  #open: OpenItem | undefined;
  #state: Omit<ResponseState, "output"> = { status: "in_progress" };
  #nextSequence = 0;
  #eventId: number | undefined;
  #lastTokenIndex = -1;
  #reasoningTokens = 0;

  constructor(head: ChatHead, echo: ResponseEcho) {
    this.#head = head;
    this.#echo = echo;
  }

  begin(): string {
    const response = this.whole();
    return (
      this.#event("response.created", { response }) +
      this.#event("response.in_progress", { response })
    );
  }

  delta({ text, reasoning = "", calls = [], logprobs }: AnswerDelta, tokenIndex: number): string {
    this.#eventId = tokenIndex;
    // Steps without text are not told, so what came since the last delta is of this one's kind.
    if (reasoning !== "" && text === "") this.#reasoningTokens += tokenIndex - this.#lastTokenIndex;
    this.#lastTokenIndex = tokenIndex;
    let events = "";
    if (reasoning !== "") events += this.#reasoning(reasoning);
    if (text !== "" || logprobs?.length) events += this.#text(text, logprobs ?? []);
    for (const call of calls) events += this.#call(call);
    return events;
  }

  end({ finishReason, counts }: AnswerEnd): string {
    const status = statusOf(finishReason);
    // An answer of nothing is an empty message.
    const empty = this.#output.length === 0 && !this.#open ? this.#text("", []) : "";
    const closed = this.#close(status);
    this.#state = { status, counts, reasoningTokens: this.#reasoningTokens };
    return empty + closed + this.#event(`response.${status}`, { response: this.whole() });
  }

  failure(error: ErrorValue, counts: TokenCounts): string {
    const closed = this.#close("incomplete");
    this.#state = { status: "failed", counts, error, reasoningTokens: this.#reasoningTokens };
    return closed + this.#event("response.failed", { response: this.whole() });
  }

  abandon(): void {
    this.#close("incomplete");
    this.#state = { status: "cancelled" };
  }

  whole() {
    return responseBody(this.#head, this.#echo, { ...this.#state, output: [...this.#output] });
  }

  #reasoning(delta: string): string {
    const opened = this.#openItem("reasoning");
    const item = this.#current();
    item.text += delta;
    return opened + this.#event("response.reasoning_text.delta", { ...this.#place(), delta });
  }

  #text(delta: string, logprobs: readonly TokenLogprob[]): string {
    const opened = this.#openItem("message");
    const item = this.#current();
    item.text += delta;
    item.logprobs.push(...logprobs);
    if (delta === "" && logprobs.length === 0) return opened;
    return (
      opened + this.#event("response.output_text.delta", { ...this.#place(), delta, logprobs })
    );
  }

  #call(piece: ToolCallDelta): string {
    const opened =
      piece.id === undefined ? "" : this.#openItem("function_call", piece.id, piece.name);
    const item = this.#current();
    const delta = piece.arguments ?? "";
    if (delta === "") return opened;
    item.text += delta;
    const { content_index: _, ...place } = this.#place();
    return opened + this.#event("response.function_call_arguments.delta", { ...place, delta });
  }

  /** Opens an item unless one of the kind is open; each call is an item of its own. */
  #openItem(type: OutputItem["type"], callId = "", name = ""): string {
    if (this.#open?.type === type && type !== "function_call") return "";
    const closed = this.#close("completed");
    const id = itemId(this.#head.requestId, type, this.#output.length);
    this.#open = { id, type, text: "", logprobs: [], callId, name };
    const added = this.#event("response.output_item.added", {
      output_index: this.#output.length,
      item: itemOf(this.#open, "in_progress"),
    });
    if (type === "function_call") return closed + added;
    const part = partOf({ ...this.#open, text: "" });
    return closed + added + this.#event("response.content_part.added", { ...this.#place(), part });
  }

  /** Ends the open item, if there is one. */
  #close(status: "completed" | "incomplete"): string {
    const open = this.#open;
    if (!open) return "";
    const place = this.#place();
    const item = itemOf(open, status);
    let done: string;
    if (open.type === "function_call") {
      const { content_index: _, ...callPlace } = place;
      const given = { ...callPlace, name: open.name, arguments: open.text };
      done = this.#event("response.function_call_arguments.done", given);
    } else {
      const isText = open.type === "message";
      const said = { ...place, text: open.text, ...(isText ? { logprobs: open.logprobs } : {}) };
      done =
        this.#event(isText ? "response.output_text.done" : "response.reasoning_text.done", said) +
        this.#event("response.content_part.done", { ...place, part: partOf(open) });
    }
    const output_index = this.#output.length;
    this.#output.push(item);
    this.#open = undefined;
    return done + this.#event("response.output_item.done", { output_index, item });
  }

  #current(): OpenItem {
    assert(this.#open !== undefined, "a delta of no item");
    return this.#open;
  }

  #place() {
    return { item_id: this.#current().id, output_index: this.#output.length, content_index: 0 };
  }

  #event(type: string, fields: object): string {
    const data = { type, sequence_number: this.#nextSequence, ...fields };
    this.#nextSequence += 1;
    const id = this.#eventId === undefined ? {} : { id: this.#eventId };
    return sseEvent(data, { event: type, ...id });
  }
}

function partOf(open: OpenItem) {
  if (open.type === "reasoning") return { type: "reasoning_text", text: open.text } as const;
  return outputText(open.text, open.logprobs);
}

function itemOf(open: OpenItem, status: OutputItem["status"]): OutputItem {
  const { id, text } = open;
  const isBegun = status === "in_progress";
  if (open.type === "function_call") {
    const { callId, name } = open;
    return { id, type: open.type, status, call_id: callId, name, arguments: text };
  }
  if (open.type === "reasoning") {
    const content = isBegun ? [] : [{ type: "reasoning_text", text } as const];
    return { id, type: open.type, status, summary: [], content };
  }
  const content = isBegun ? [] : [outputText(text, open.logprobs)];
  return { id, type: open.type, status, role: "assistant", content };
}
