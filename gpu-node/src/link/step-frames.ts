// Owns the frames that one link gets of an engine step: one `step` with the deltas of all of its live requests, then
// `done` for those that ended. Invariant: a request's `done` follows its last delta, and nothing follows `done`.
import { assert } from "@fairlane/base";
import { protocolLimits, type DoneFrame, type NodeFrame } from "@fairlane/protocol";
import { embeddingText } from "../stream/embedding-text.ts";
import type { AnswerSink, ChoiceEnd, StreamEnd, TokenDelta } from "../stream/token-stream.ts";

export class StepFrames implements AnswerSink {
  readonly #send: (frame: NodeFrame) => void;
  readonly #liveIds = new Set<string>();
  #deltas: TokenDelta[] = [];
  #choiceEnds: ChoiceEnd[] = [];
  #ends: StreamEnd[] = [];
  /** Of live requests with several inputs, by id: the embeddings that are complete. */
  readonly #embeddings = new Map<string, string[]>();

  constructor(send: (frame: NodeFrame) => void) {
    this.#send = send;
  }

  /** Ids of the requests that were accepted on this link and have not ended. */
  get liveIds(): readonly string[] {
    return [...this.#liveIds];
  }

  /** Notes an accepted request whose tokens will come here. */
  accepted(requestId: string): void {
    assert(!this.#liveIds.has(requestId), `${requestId} was accepted twice`);
    this.#liveIds.add(requestId);
  }

  tokens(delta: TokenDelta): void {
    this.#deltas.push(delta);
  }

  choiceEnded(end: ChoiceEnd): void {
    const { requestId, choice, embedding } = end;
    if (embedding === undefined) {
      this.#choiceEnds.push(end);
      return;
    }
    const embeddings = this.#embeddings.get(requestId) ?? [];
    embeddings[choice] = embeddingText(embedding);
    this.#embeddings.set(requestId, embeddings);
  }

  ended(end: StreamEnd): void {
    this.#liveIds.delete(end.requestId);
    this.#ends.push(end);
  }

  /** Sends what has been collected. A step that did nothing for this link sends nothing. */
  flush(stepId: number): void {
    const [deltas, choiceEnds, ends] = [this.#deltas, this.#choiceEnds, this.#ends];
    if (deltas.length + choiceEnds.length > 0) {
      assert(deltas.length <= protocolLimits.STEP_DELTAS_MAX, `${deltas.length} deltas in a step`);
      this.#deltas = [];
      const frame = { type: "step", step: stepId, deltas: deltas.map(wireDelta) } as const;
      if (choiceEnds.length === 0) this.#send(frame);
      else this.#send({ ...frame, ends: choiceEnds.map(wireEnd) });
      if (choiceEnds.length > 0) this.#choiceEnds = [];
    }
    if (ends.length === 0) return;
    this.#ends = [];
    for (const end of ends) {
      this.#send(doneFrame(end, this.#embeddings.get(end.requestId)));
      this.#embeddings.delete(end.requestId);
    }
  }
}

function wireDelta(delta: TokenDelta) {
  return {
    id: delta.requestId,
    ...(delta.choice === undefined ? {} : { choice: delta.choice }),
    from: delta.fromToken,
    n: delta.tokenCount,
    text: delta.text,
    ...(delta.logprobs && delta.logprobs.length > 0 ? { logprobs: [...delta.logprobs] } : {}),
    ...(delta.reasoning === undefined ? {} : { reasoning: delta.reasoning }),
    ...(delta.calls === undefined ? {} : { calls: [...delta.calls] }),
  };
}

function wireEnd({ requestId, choice, reason }: ChoiceEnd) {
  return { id: requestId, choice, finish_reason: reason };
}

/** @param several the embeddings of several inputs; one alone comes with its end */
function doneFrame(end: StreamEnd, several: readonly string[] | undefined): DoneFrame {
  const embeddings = end.embedding === undefined ? several : [embeddingText(end.embedding)];
  return {
    type: "done",
    id: end.requestId,
    finish_reason: end.reason,
    usage: {
      prompt_tokens: end.promptTokens,
      cached_tokens: end.counts.cachedTokens,
      completion_tokens: end.counts.outputTokens,
    },
    ...(embeddings === undefined || end.error !== null ? {} : { embeddings: [...embeddings] }),
    error: end.error && { code: end.error.code, message: end.error.message },
  };
}
