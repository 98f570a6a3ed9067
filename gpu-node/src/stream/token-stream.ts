// Owns one live request on the main thread: turns the engine's token ids into text, ends it at a stop string, and
// hands both to a sink, in order, each token once. It decides nothing about scheduling. Invariant: a sink sees
// tokens 0, 1, 2, ... without a gap, then exactly one end; tokens that were computed after a stop string are counted
// and have no text.
import { assert } from "@fairlane/base";
import type { ErrorValue, TokenLogprob, ToolCallDelta } from "@fairlane/protocol";
import type { EndReason, EngineRequest, RequestProgress } from "../engine/worker-messages.ts";
import { NO_COUNTS, type LiveCounts } from "../usage/live-counts.ts";
import type { ChoiceGroup } from "./choice-group.ts";
import type { AnswerParser, AnswerPart } from "./answer-parser.ts";
import { HeldLogprobs } from "./held-logprobs.ts";
import { StopMatcher } from "./stop-matcher.ts";

/** Turns token ids into text; keeps back bytes of a character that is not complete yet. */
export interface Detokenizer {
  push(tokens: readonly number[]): string;
  /** What is left at the end; incomplete characters become U+FFFD. */
  flush(): string;
}

/** How a detokenizer begins and what it shows. */
export interface DetokenizerOptions {
  /** Control tokens that begin calls or reasoning have text. */
  readonly showsMarks?: boolean;
  /** The text continues another, so that a space at its start is its own. */
  readonly isContinuation?: boolean;
}

/** The output tokens that one step made for one request. */
export interface TokenDelta {
  readonly requestId: string;
  /** Which of several answers they belong to; absent: there is one. */
  readonly choice?: number;
  /** Index of the first of them among the answer's output tokens, from 0. */
  readonly fromToken: number;
  readonly tokenCount: number;
  /** Empty while a character is incomplete or a stop string may have begun, and for a stop token. */
  readonly text: string;
  /** What the model thought before its answer; absent when nothing. */
  readonly reasoning?: string;
  /** Pieces of tool calls; absent when there are none. */
  readonly calls?: readonly ToolCallDelta[];
  /** Of the tokens whose text is out with this delta; absent when none were asked for. */
  readonly logprobs?: readonly TokenLogprob[];
}

/** How a stream ended. */
export interface StreamEnd {
  readonly requestId: string;
  readonly reason: EndReason;
  /** Set exactly when reason is "error". */
  readonly error: ErrorValue | null;
  readonly promptTokens: number;
  readonly counts: LiveCounts;
  /** The stop string that ended it; absent when none did. */
  readonly stopString?: string;
  /** Of a request that asked for one and ended by itself. */
  readonly embedding?: Float32Array;
}

/** One of several answers is complete. */
export interface ChoiceEnd {
  readonly requestId: string;
  readonly choice: number;
  readonly reason: "stop" | "length";
  readonly embedding?: Float32Array;
}

/** Where a stream's tokens go. Must not throw. */
export interface StreamSink {
  tokens(delta: TokenDelta): void;
  ended(end: StreamEnd): void;
}

/** Where an answer goes, or several to one request: a hub link, an SSE response, a JSON response. Must not throw. */
export interface AnswerSink extends StreamSink {
  /** Called before `ended` for each of several; an answer alone only ends. */
  choiceEnded(end: ChoiceEnd): void;
}

export interface TokenStreamOptions {
  readonly request: EngineRequest;
  readonly detokenizer: Detokenizer;
  readonly sink: StreamSink;
  /** Of one of several answers. */
  readonly group?: ChoiceGroup;
  /** Texts that end the answer and are no part of it. */
  readonly stopStrings?: readonly string[];
  readonly tokenBytes: (token: number) => Uint8Array;
  /** Reads calls and reasoning out of the text; null or absent: all of it is content. */
  readonly parser?: AnswerParser | null;
}

/** What a step means for one stream; delivered once the journal has it. */
export interface Advance {
  readonly delta: TokenDelta | null;
  readonly end: StreamEnd | null;
  /** A stop string was found while the engine goes on: it is to end the request, which then ends with "stop". */
  readonly endsAtEngine: boolean;
}

export class TokenStream {
  /** As the engine has it; of one of several answers with an id of its own. */
  readonly request: EngineRequest;
  readonly group: ChoiceGroup | null;
  /** The request's key in the usage journal; null for what is not billed. Set once, before the first step. */
  journalKey: number | null = null;
  readonly #detokenizer: Detokenizer;
  readonly #sink: StreamSink;
  readonly #stop: StopMatcher;
  readonly #logprobs: HeldLogprobs;
  readonly #parser: AnswerParser | null;
  /** Characters that tokens have brought, and those that are out. */
  #pushedChars = 0;
  #deliveredChars = 0;
  #counts: LiveCounts = NO_COUNTS;
  #isSilenced = false;
  #cancelError: ErrorValue | null = null;

  constructor(options: TokenStreamOptions) {
    this.request = options.request;
    this.group = options.group ?? null;
    this.#detokenizer = options.detokenizer;
    this.#sink = options.sink;
    this.#stop = new StopMatcher(options.stopStrings ?? []);
    this.#logprobs = new HeldLogprobs(options.tokenBytes);
    this.#parser = options.parser ?? null;
  }

  get requestId(): string {
    return this.request.requestId;
  }

  /** Cumulative, as of the last advance. */
  get counts(): LiveCounts {
    return this.#counts;
  }

  /** No token reaches the sink any more; the end still does, as an error when one is given. */
  silence(error: ErrorValue | null): void {
    this.#isSilenced = true;
    this.#cancelError ??= error;
  }

  /** Takes what a step did; the sink hears of it through deliver. */
  advance(progress: RequestProgress, nowMs: number): Advance {
    const fromToken = this.#counts.outputTokens;
    const { cachedTokens, computedPromptTokens, outputTokens } = progress.counts;
    const tokenCount = outputTokens - fromToken;
    assert(
      tokenCount >= progress.newTokens.length,
      `${this.requestId}: ${progress.newTokens.length} tokens listed, ${tokenCount} counted`,
    );
    const { receivedAtMs } = this.request;
    const ownsPrompt = this.group?.countsPromptOf(this) ?? true;
    this.#counts = {
      cachedTokens: ownsPrompt ? cachedTokens : 0,
      computedPromptTokens: ownsPrompt ? computedPromptTokens : 0,
      outputTokens,
      queueMs: spanMs(receivedAtMs, progress.scheduledAtMs),
      ttftMs: this.#counts.ttftMs ?? spanMs(receivedAtMs, tokenCount > 0 ? nowMs : null),
    };
    const wasStopped = this.#stop.isStopped;
    const delta = tokenCount > 0 ? this.#deltaOf({ progress, fromToken, tokenCount }) : null;
    const end = progress.end === null ? null : this.#endOf(progress.end, progress.embedding);
    const endsAtEngine = end === null && this.#stop.isStopped && !wasStopped;
    return { delta, end, endsAtEngine };
  }

  /** The end of a stream that the engine will not speak of again. */
  fail(error: ErrorValue): Advance {
    return { delta: null, end: this.#endOf({ reason: "error", error }), endsAtEngine: false };
  }

  /** Hands an advance to the sink. */
  deliver(advance: Advance): void {
    if (advance.delta && !this.#isSilenced) this.#sink.tokens(advance.delta);
    if (advance.end) this.#sink.ended(advance.end);
  }

  #deltaOf(part: {
    readonly progress: RequestProgress;
    readonly fromToken: number;
    readonly tokenCount: number;
  }): TokenDelta | null {
    if (this.#isSilenced) return null;
    const { progress, fromToken, tokenCount } = part;
    const text = this.#textOf(progress, fromToken);
    this.#deliveredChars += text.length;
    const parts = this.#parsed(text, progress.end !== null);
    const delta = { requestId: this.requestId, fromToken, tokenCount, ...parts };
    if (this.request.sampling.topLogprobs === undefined) return delta;
    return { ...delta, logprobs: this.#releasedLogprobs(progress.end !== null) };
  }

  /** The text that this step lets out. */
  #textOf(progress: RequestProgress, fromToken: number): string {
    const { newTokens, logprobs, end } = progress;
    const minTokens = this.request.sampling.minTokens ?? 0;
    let text = "";
    for (const [index, token] of newTokens.entries()) {
      // Steps make one token; no array for each.
      const piece = this.#detokenizer.push(newTokens.length === 1 ? newTokens : [token]);
      const from = this.#pushedChars;
      this.#pushedChars += piece.length;
      const sampled = logprobs?.[index];
      if (sampled) this.#logprobs.push(token, sampled, { from, until: this.#pushedChars });
      // Stop strings count from the first text after the minimum.
      text += fromToken + index < minTokens ? piece : this.#stop.push(piece);
    }
    if (end !== null) text += this.#stop.push(this.#detokenizer.flush()) + this.#stop.flush();
    return text;
  }

  /** The text as content, reasoning and calls. */
  #parsed(text: string, isLast: boolean): Pick<TokenDelta, "text" | "reasoning" | "calls"> {
    if (this.#parser === null) return { text };
    const first = this.#parser.push(text);
    const parts = isLast ? joined(first, this.#parser.flush()) : first;
    const { content, reasoning, calls } = parts;
    return {
      text: content,
      ...(reasoning === "" ? {} : { reasoning }),
      ...(calls.length === 0 ? {} : { calls }),
    };
  }

  #releasedLogprobs(isLast: boolean): TokenLogprob[] {
    if (this.#stop.isStopped) return this.#logprobs.releaseLast(this.#deliveredChars);
    return isLast ? this.#logprobs.releaseAll() : this.#logprobs.release(this.#deliveredChars);
  }

  #endOf(
    end: { readonly reason: EndReason; readonly error: ErrorValue | null },
    embedding?: Float32Array,
  ): StreamEnd {
    // The answer was complete; that the engine was then told to end the request is how it stops.
    const isStopped = this.#stop.isStopped;
    const isOurs = !isStopped && end.reason === "cancelled" && this.#cancelError !== null;
    return {
      requestId: this.requestId,
      reason: isStopped ? "stop" : isOurs ? "error" : end.reason,
      error: isStopped ? null : isOurs ? this.#cancelError : end.error,
      promptTokens: this.request.promptTokens.length,
      counts: this.#counts,
      ...(this.#stop.stoppedBy === null ? {} : { stopString: this.#stop.stoppedBy }),
      ...(embedding === undefined ? {} : { embedding }),
    };
  }
}

function joined(first: AnswerPart, last: AnswerPart): AnswerPart {
  return {
    content: first.content + last.content,
    reasoning: first.reasoning + last.reasoning,
    calls: [...first.calls, ...last.calls],
  };
}

function spanMs(fromMs: number, toMs: number | null): number | null {
  return toMs === null ? null : Math.max(0, toMs - fromMs);
}
