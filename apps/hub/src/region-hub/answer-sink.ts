// Owns the interface between a live request and whoever waits for its answer: a byte stream (stream-sink.ts) or
// one JSON body (completion-sink.ts). Invariant: after `finish`, `fail` or a returned "gone" nothing more is called.
import type {
  ChatHead,
  ErrorValue,
  FinishReason,
  TokenCounts,
  TokenLogprob,
  ToolCallDelta,
} from "@fairlane/protocol";

/** What became of a write: "gone" = nobody reads any more, or too slowly, and the request is to be cancelled. */
export type SinkState = "open" | "gone";

/** What some requests end with besides a reason and counts. */
export interface FinishExtras {
  /** As the wire has them, of an embeddings request. */
  readonly embeddings?: readonly string[] | undefined;
  /** The stop string that ended the answer. */
  readonly stopString?: string | undefined;
}

export interface AnswerSink {
  /** A node accepted: the status line may go out. */
  accept(head: ChatHead, nowMs: number): void;
  /** Text up to and with the token of this index. */
  write(delta: {
    readonly text: string;
    /** Which of several answers; absent: the only one, or the first. */
    readonly choice?: number | undefined;
    /** Of the tokens whose text this is, when the request asked. */
    readonly logprobs?: readonly TokenLogprob[] | undefined;
    /** What the model thought before its answer. */
    readonly reasoning?: string | undefined;
    readonly calls?: readonly ToolCallDelta[] | undefined;
    readonly tokenIndex: number;
    readonly nowMs: number;
  }): SinkState;
  /** One of several answers is complete; the request is not before `finish`. */
  finishChoice(choice: number, finishReason: FinishReason, nowMs: number): SinkState;
  finish(finishReason: FinishReason, counts: TokenCounts, extras?: FinishExtras): void;
  /** The request cannot go on; before or after it was accepted. `counts` = what was served so far. */
  fail(error: ErrorValue, counts: TokenCounts): void;
  /** Called every tick after `accept`: keep-alives. */
  tick(nowMs: number): SinkState;
  /** Cuts a reader that is too slow: what waits for it is dropped. */
  cut(): void;
  /** Bytes that wait for the reader. */
  readonly bufferedBytes: number;
}
