// Owns the answer as an event stream: ready bytes in a byte stream that the Worker hands on untouched. Notices a
// reader that is gone (its cancellation) or too slow (bytes waiting beyond the bound), writes keep-alives in
// silence. Invariant: the stream is closed, errored or cancelled exactly once, and never written to after it.
import {
  finishReasonOf,
  type AnswerBody,
  type ChatHead,
  type ErrorValue,
  type FinishReason,
  type TokenCounts,
  type TokenLogprob,
  type ToolCallDelta,
} from "@fairlane/protocol";
import { KEEP_ALIVE_MS, STREAM_BUFFER_BYTES_MAX, TICK_MS } from "../limits.ts";
import type { AnswerForm } from "./answer-form.ts";
import type { AnswerSink, FinishExtras, SinkState } from "./answer-sink.ts";
import { EventBytes } from "./event-bytes.ts";
import { keepAliveBytes, SseBytes } from "./sse-bytes.ts";

/** What the caller answers with. */
export type StreamAnswer =
  | { readonly ok: true; readonly stream: ReadableStream<Uint8Array> }
  | { readonly ok: false; readonly error: ErrorValue };

export interface StreamSinkOptions extends AnswerForm {
  /** Tokens that the reader has already: nothing is written of them. Absent: none. */
  readonly silentTokens?: number;
  /** Called when the reader cancels the open stream. */
  readonly readerGone: () => void;
  /** Keeps the whole answer; its end is told once this has settled. Absent: nothing is kept. */
  readonly retain?: ((answer: AnswerBody) => Promise<void>) | undefined;
}

export class StreamSink implements AnswerSink {
  /** Resolves when a node accepted or the request failed before that. Never rejects. */
  readonly answer: Promise<StreamAnswer>;
  readonly #options: StreamSinkOptions;
  #answered: (answer: StreamAnswer) => void = () => {};
  #open:
    | {
        readonly bytes: SseBytes | EventBytes;
        readonly controller: ReadableByteStreamController;
      }
    | undefined;
  #lastWriteMs = 0;
  /** Of the newest text; with it, and what the reader has, ends the silence. */
  #lastTokenIndex = -1;
  readonly #choicesWithCalls = new Set<number>();

  constructor(options: StreamSinkOptions) {
    this.#options = options;
    this.answer = new Promise((resolve) => (this.#answered = resolve));
  }

  get bufferedBytes(): number {
    if (!this.#open) return 0;
    const { bytes, controller } = this.#open;
    const held = bytes instanceof EventBytes ? bytes.heldBytes : 0;
    return held + Math.max(0, STREAM_BUFFER_BYTES_MAX - (controller.desiredSize ?? 0));
  }

  accept(head: ChatHead, nowMs: number): void {
    const { shape, readerGone } = this.#options;
    const bytes =
      "events" in shape
        ? new EventBytes(shape.events(head))
        : new SseBytes(head, { ...this.#options, shape });
    const stream = new ReadableStream(
      {
        type: "bytes",
        start: (controller) => {
          this.#open = { bytes, controller };
        },
        cancel: () => {
          if (!this.#open) return;
          this.#leave();
          readerGone();
        },
      },
      { highWaterMark: STREAM_BUFFER_BYTES_MAX },
    );
    const roles = bytes.roles();
    if (!this.#isSilent) this.#enqueue(roles, nowMs);
    this.#lastWriteMs = nowMs;
    this.#answered({ ok: true, stream });
  }

  write(delta: {
    readonly text: string;
    readonly choice?: number | undefined;
    readonly logprobs?: readonly TokenLogprob[] | undefined;
    readonly reasoning?: string | undefined;
    readonly calls?: readonly ToolCallDelta[] | undefined;
    readonly tokenIndex: number;
    readonly nowMs: number;
  }): SinkState {
    if (!this.#open) return "gone";
    const { text, choice, logprobs, reasoning, calls, tokenIndex } = delta;
    const { bytes } = this.#open;
    if (calls !== undefined) this.#choicesWithCalls.add(choice ?? 0);
    this.#lastTokenIndex = tokenIndex;
    const isPlain = logprobs === undefined && reasoning === undefined && calls === undefined;
    const chunk = isPlain
      ? bytes.text({ text, choice }, tokenIndex)
      : bytes.parts({ text, choice, logprobs, reasoning, calls }, tokenIndex);
    // Written all the same: what comes later goes on from it.
    if (tokenIndex < this.#silentTokens) return "open";
    return this.#enqueue(chunk, delta.nowMs);
  }

  finishChoice(choice: number, finishReason: FinishReason, nowMs: number): SinkState {
    if (!this.#open) return "gone";
    if (this.#isSilent) return "open";
    return this.#enqueue(
      this.#open.bytes.choiceEnd(choice, this.#reasonOf(choice, finishReason)),
      nowMs,
    );
  }

  finish(finishReason: FinishReason, counts: TokenCounts, extras?: FinishExtras): void {
    if (!this.#open) return;
    this.#endKept(this.#open.bytes.end(this.#reasonOf(0, finishReason), counts, extras));
  }

  fail(error: ErrorValue, counts: TokenCounts): void {
    if (this.#open) this.#endKept(this.#open.bytes.failure(error, counts));
    else this.#answered({ ok: false, error });
  }

  tick(nowMs: number): SinkState {
    if (!this.#open) return "gone";
    // The next tick would be too late.
    if (nowMs - this.#lastWriteMs <= KEEP_ALIVE_MS - TICK_MS) return "open";
    return this.#enqueue(keepAliveBytes(), nowMs);
  }

  cut(): void {
    const { controller } = this.#open ?? {};
    this.#leave();
    // An error, not a close: it frees what is buffered, and the client sees a broken body, not a finished one.
    attempt(() => controller?.error(new Error("the reader is too slow")));
  }

  get #silentTokens(): number {
    return this.#options.silentTokens ?? 0;
  }

  /** The reader has what is being sent again. */
  get #isSilent(): boolean {
    return this.#lastTokenIndex + 1 < this.#silentTokens;
  }

  #reasonOf(choice: number, reason: FinishReason): FinishReason {
    return finishReasonOf(reason, this.#choicesWithCalls.has(choice));
  }

  #enqueue(bytes: Uint8Array, nowMs: number): SinkState {
    const { controller } = this.#open ?? {};
    if (!controller) return "gone";
    this.#lastWriteMs = nowMs;
    // A byte stream takes no empty chunk; a completion's stream has nothing to begin with.
    if (bytes.length === 0) return "open";
    // Throws when the reader cancelled in this very turn.
    if (!attempt(() => controller.enqueue(bytes))) {
      this.#leave();
      return "gone";
    }
    if ((controller.desiredSize ?? 0) >= 0) return "open";
    this.cut();
    return "gone";
  }

  /** The reader is gone or cut: what it had so far is what is kept. */
  #leave(): void {
    const { bytes } = this.#open ?? {};
    this.#open = undefined;
    if (bytes instanceof EventBytes) void this.#options.retain?.(bytes.abandoned());
  }

  /** Ends the stream, after the answer is kept where it is to be: who reads the end can read the answer again. */
  #endKept(bytes: Uint8Array): void {
    const { retain } = this.#options;
    const writer = this.#open?.bytes;
    if (!retain || !(writer instanceof EventBytes)) return this.#end(bytes);
    const whole = writer.whole();
    void retain(whole).then(() => this.#end(bytes));
  }

  #end(bytes: Uint8Array): void {
    const { controller } = this.#open ?? {};
    this.#open = undefined;
    attempt(() => {
      controller?.enqueue(bytes);
      controller?.close();
    });
  }
}

/** False when the stream would not take it: it has been cancelled. */
function attempt(use: () => void): boolean {
  try {
    use();
    return true;
  } catch {
    return false;
  }
}
