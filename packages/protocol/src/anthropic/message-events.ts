// Owns the event sequence of a streamed message, as Anthropic's SDK follows it: message_start, then for each block its
// start, deltas and stop, then message_delta with the reason and the usage, and message_stop. Invariant: at most one
// block is open, and every one that was started is stopped before message_delta.
import type { ErrorValue } from "../app-error.ts";
import type { AnswerDelta, AnswerEnd, AnswerEvents } from "../openai/answer-events.ts";
import type { ChatHead, TokenCounts } from "../openai/chat-response.ts";
import { sseEvent } from "../openai/sse.ts";
import type { ToolCallDelta } from "../openai/tool-call-delta.ts";
import { messageErrorBody } from "./error-body.ts";
import {
  countsBody,
  inputOf,
  messageBody,
  stopReasonOf,
  type MessageBlock,
  type MessageState,
} from "./message-body.ts";

interface OpenBlock {
  readonly type: MessageBlock["type"];
  readonly id: string;
  readonly name: string;
  text: string;
}

export class MessageEvents implements AnswerEvents {
  readonly #head: ChatHead;
  readonly #content: MessageBlock[] = [];
  #open: OpenBlock | undefined;
  #hasPinged = false;
  #eventId: number | undefined;
  #state: Omit<MessageState, "content">;

  constructor(head: ChatHead) {
    this.#head = head;
    // What of the prompt a cache had is known at the end, and message_delta says it.
    const counts = { promptTokens: head.promptTokens ?? 0, cachedTokens: 0, outputTokens: 0 };
    this.#state = { stopReason: null, stopSequence: null, counts };
  }

  begin(): string {
    return this.#event("message_start", { message: this.whole() });
  }

  delta({ text, reasoning = "", calls = [] }: AnswerDelta, tokenIndex: number): string {
    this.#eventId = tokenIndex;
    let events = "";
    if (reasoning !== "") events += this.#said("thinking", reasoning);
    if (text !== "") events += this.#said("text", text);
    for (const call of calls) events += this.#call(call);
    return events;
  }

  end(end: AnswerEnd): string {
    const closed = this.#close();
    const hasCalls = this.#content.some(({ type }) => type === "tool_use");
    const stopReason = stopReasonOf(end, hasCalls);
    const stopSequence = stopReason === "stop_sequence" ? (end.stopString ?? null) : null;
    this.#state = { stopReason, stopSequence, counts: end.counts };
    const delta = {
      stop_reason: stopReason,
      stop_sequence: stopSequence,
      stop_details: null,
      container: null,
    };
    return (
      closed +
      this.#event("message_delta", { delta, usage: countsBody(end.counts) }) +
      this.#event("message_stop", {})
    );
  }

  failure(error: ErrorValue, counts: TokenCounts): string {
    this.#state = { ...this.#state, counts };
    const body = messageErrorBody(error, this.#head.requestId);
    return sseEvent(body, { event: "error" });
  }

  abandon(): void {
    this.#close();
  }

  whole() {
    return messageBody(this.#head, { ...this.#state, content: [...this.#content] });
  }

  #said(type: "thinking" | "text", said: string): string {
    const opened =
      this.#open?.type === type ? "" : this.#start({ type, id: "", name: "", text: "" });
    if (this.#open) this.#open.text += said;
    const delta =
      type === "text"
        ? { type: "text_delta", text: said }
        : { type: "thinking_delta", thinking: said };
    return opened + this.#event("content_block_delta", { index: this.#content.length, delta });
  }

  #call({ id, name = "", arguments: given = "" }: ToolCallDelta): string {
    const opened = id === undefined ? "" : this.#start({ type: "tool_use", id, name, text: "" });
    if (given === "") return opened;
    if (this.#open) this.#open.text += given;
    const delta = { type: "input_json_delta", partial_json: given };
    return opened + this.#event("content_block_delta", { index: this.#content.length, delta });
  }

  #start(block: OpenBlock): string {
    const closed = this.#close();
    this.#open = block;
    const content_block = blockOf({ ...block, text: block.type === "tool_use" ? "{}" : "" });
    const started = this.#event("content_block_start", {
      index: this.#content.length,
      content_block,
    });
    if (this.#hasPinged) return closed + started;
    this.#hasPinged = true;
    return closed + started + this.#event("ping", {});
  }

  #close(): string {
    if (!this.#open) return "";
    const index = this.#content.length;
    this.#content.push(blockOf(this.#open));
    this.#open = undefined;
    return this.#event("content_block_stop", { index });
  }

  #event(type: string, fields: object): string {
    const id = this.#eventId === undefined ? {} : { id: this.#eventId };
    return sseEvent({ type, ...fields }, { event: type, ...id });
  }
}

function blockOf({ type, id, name, text }: OpenBlock): MessageBlock {
  if (type === "tool_use") return { type, id, name, input: inputOf(text) };
  return type === "text"
    ? { type, text, citations: null }
    : { type, thinking: text, signature: "" };
}
