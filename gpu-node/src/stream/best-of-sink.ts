// Owns the choice of the likeliest of several answers: collects all of them and lets the best out when the last is
// complete. Its bound is the context's: what it collects is what the engine may compute for one request.
import type { TokenLogprob, ToolCallDelta } from "@fairlane/protocol";
import type { AnswerSink, ChoiceEnd, StreamEnd, TokenDelta } from "./token-stream.ts";

interface Candidate {
  text: string;
  reasoning: string;
  readonly calls: ToolCallDelta[];
  tokenCount: number;
  readonly logprobs: TokenLogprob[];
  reason: ChoiceEnd["reason"] | null;
}

export class BestOfSink implements AnswerSink {
  readonly #sink: AnswerSink;
  readonly #options: { readonly given: number; readonly hasLogprobs: boolean };
  readonly #candidates = new Map<number, Candidate>();

  /** @param options.given answers that are let out; options.hasLogprobs: with their log-probabilities */
  constructor(
    sink: AnswerSink,
    options: { readonly given: number; readonly hasLogprobs: boolean },
  ) {
    this.#sink = sink;
    this.#options = options;
  }

  tokens(delta: TokenDelta): void {
    const candidate = this.#candidate(delta.choice ?? 0);
    candidate.text += delta.text;
    candidate.reasoning += delta.reasoning ?? "";
    candidate.calls.push(...(delta.calls ?? []));
    candidate.tokenCount += delta.tokenCount;
    candidate.logprobs.push(...(delta.logprobs ?? []));
  }

  choiceEnded({ choice, reason }: ChoiceEnd): void {
    this.#candidate(choice).reason = reason;
  }

  ended(end: StreamEnd): void {
    if (end.reason !== "stop" && end.reason !== "length") return this.#sink.ended(end);
    const { given } = this.#options;
    const best = [...this.#candidates.entries()]
      .toSorted(([one, left], [other, right]) => meanOf(right) - meanOf(left) || one - other)
      .slice(0, given)
      .map(([, candidate]) => candidate);
    for (const [choice, candidate] of best.entries())
      this.#letOut(end.requestId, choice, candidate);
    const reason = given === 1 ? (best[0]?.reason ?? end.reason) : end.reason;
    this.#sink.ended({ ...end, reason });
  }

  #letOut(requestId: string, choice: number, candidate: Candidate): void {
    const { given, hasLogprobs } = this.#options;
    const { text, reasoning, calls, tokenCount, logprobs, reason } = candidate;
    const isAlone = given === 1;
    this.#sink.tokens({
      requestId,
      ...(isAlone ? {} : { choice }),
      fromToken: 0,
      tokenCount,
      text,
      ...(reasoning === "" ? {} : { reasoning }),
      ...(calls.length === 0 ? {} : { calls }),
      ...(hasLogprobs ? { logprobs } : {}),
    });
    if (!isAlone && reason !== null) this.#sink.choiceEnded({ requestId, choice, reason });
  }

  #candidate(choice: number): Candidate {
    let candidate = this.#candidates.get(choice);
    if (candidate === undefined) {
      candidate = { text: "", reasoning: "", calls: [], tokenCount: 0, logprobs: [], reason: null };
      this.#candidates.set(choice, candidate);
    }
    return candidate;
  }
}

/** OpenAI's measure: the log-probability per token. An answer without text has none and comes last. */
function meanOf({ logprobs }: Candidate): number {
  if (logprobs.length === 0) return -Infinity;
  return logprobs.reduce((sum, { logprob }) => sum + logprob, 0) / logprobs.length;
}
