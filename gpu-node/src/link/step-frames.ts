// Owns the frames that one shard gets of an engine step: one `step` with the deltas of all of its live requests, then
// `done` for those that ended; and what becomes of them when the link is lost: answers go on, are kept, and are sent again
// from where the hub wants them. Invariants: a request's `done` follows its last delta, and nothing follows `done`; on a
// session only what was accepted, resumed or attached on it is sent.
import { assert } from "@fairlane/base";
import {
  protocolLimits,
  type AttachFrame,
  type DoneFrame,
  type GrantFrame,
  type NodeFrame,
  type ResumeFrame,
} from "@fairlane/protocol";
import { embeddingText } from "../stream/embedding-text.ts";
import type { AnswerSink, ChoiceEnd, StreamEnd, TokenDelta } from "../stream/token-stream.ts";
import { DETACHED_KEPT_MS } from "./limits.ts";
import { notHere } from "./refuse-frame.ts";
import type { AnswerFacts, ResumeRing, WireDelta, WireEnd } from "./resume-ring.ts";

export class StepFrames implements AnswerSink {
  readonly #ring: ResumeRing;
  readonly #nowMs: () => number;
  #send: ((frame: NodeFrame) => void) | null = null;
  /** Of the hub that the last session was with. */
  #hubBoot: string | undefined;
  /** This session's hub is the one that the sessions before were with. */
  #isSameHub = false;
  /** Live requests, by id: since when their frames go nowhere; null while they go to the open session. */
  readonly #live = new Map<string, number | null>();
  #deltas: TokenDelta[] = [];
  #choiceEnds: ChoiceEnd[] = [];
  #ends: StreamEnd[] = [];
  /** Of live requests with several inputs, by id: the embeddings that are complete. */
  readonly #embeddings = new Map<string, string[]>();
  #lastStepId = 0;

  constructor(ring: ResumeRing, nowMs: () => number) {
    this.#ring = ring;
    this.#nowMs = nowMs;
  }

  /** Ids of the requests that were accepted from this shard and have not ended. */
  get liveIds(): readonly string[] {
    return [...this.#live.keys()];
  }

  /**
   * A session begins. Returns the requests that nobody will ask for any more: of another hub than before those
   * that no client can attach to, of one without a `resume` frame all.
   */
  linkOpened(send: (frame: NodeFrame) => void, hubBoot: string | undefined): readonly string[] {
    this.#isSameHub = hubBoot !== undefined && hubBoot === this.#hubBoot;
    this.#send = send;
    this.#hubBoot = hubBoot;
    if (this.#isSameHub) return [];
    const { liveIds } = this;
    if (hubBoot === undefined) return liveIds;
    return liveIds.filter((id) => this.#ring.factsOf(id)?.form === undefined);
  }

  /** The session is over; its requests go on for a while. */
  linkLost(): void {
    this.#send = null;
    const nowMs = this.#nowMs();
    for (const [id, sinceMs] of this.#live) this.#live.set(id, sinceMs ?? nowMs);
  }

  /** Requests that nobody has asked for in time. */
  expired(): readonly string[] {
    const beforeMs = this.#nowMs() - DETACHED_KEPT_MS;
    return this.liveIds.filter((id) => (this.#live.get(id) ?? Infinity) <= beforeMs);
  }

  /** Sends again what the hub misses. Returns what it does not want any more. */
  resume({ requests }: ResumeFrame): readonly string[] {
    const wanted = new Set(requests.map(({ id }) => id));
    // Another hub than before knows nothing of earlier requests: their clients may still come back.
    const unwanted = this.liveIds.filter(
      (id) => this.#isSameHub && !wanted.has(id) && this.#live.get(id) !== null,
    );
    for (const { id, from, unaccepted } of requests) {
      const facts = this.#ring.factsOf(id);
      if (facts !== undefined && unaccepted === true) {
        const { model, promptTokens } = facts;
        this.#send?.({ type: "accept", id, model, prompt_tokens: promptTokens });
      }
      if (!this.#sendRest(id, from)) this.#send?.(notHere(id));
    }
    return unwanted;
  }

  /** Sends a whole answer to a hub that does not know it, for a client that comes back. */
  attach({ id, tenant_id: tenantId }: AttachFrame): void {
    const facts = this.#ring.factsOf(id);
    const isThere = facts?.tenantId === tenantId && this.#ring.restOf(id, 0) !== undefined;
    if (!isThere || facts?.form === undefined) return this.#send?.(notHere(id));
    const { model, promptTokens, form, grantTokens } = facts;
    const granted = grantTokens === undefined ? {} : { grant_tokens: grantTokens };
    this.#send?.({ type: "attached", id, model, prompt_tokens: promptTokens, form, ...granted });
    this.#sendRest(id, 0);
  }

  /** Notes what requests may compute by now, for a hub that does not know. */
  granted(grants: GrantFrame["grants"]): void {
    for (const { id, output_tokens: tokens } of grants) {
      const facts = this.#ring.factsOf(id);
      if (facts?.grantTokens !== undefined) facts.grantTokens = Math.max(facts.grantTokens, tokens);
    }
  }

  /** Notes an accepted request whose tokens will come here. */
  accepted(requestId: string, facts: AnswerFacts): void {
    assert(!this.#live.has(requestId), `${requestId} was accepted twice`);
    this.#live.set(requestId, null);
    this.#ring.begin(requestId, facts);
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
    this.#ends.push(end);
  }

  /** Sends what has been collected. A step that did nothing for this link sends nothing. */
  flush(stepId: number): void {
    this.#lastStepId = stepId;
    const deltas: WireDelta[] = [];
    for (const delta of this.#deltas) {
      const wire = wireDelta(delta);
      this.#ring.addDelta(wire.id, wire);
      if (this.#live.get(wire.id) === null) deltas.push(wire);
    }
    const choiceEnds: WireEnd[] = [];
    for (const end of this.#choiceEnds) {
      const wire = wireEnd(end);
      this.#ring.addEnd(wire.id, wire);
      if (this.#live.get(wire.id) === null) choiceEnds.push(wire);
    }
    if (this.#deltas.length > 0) this.#deltas = [];
    if (this.#choiceEnds.length > 0) this.#choiceEnds = [];
    this.#sendStep(deltas, choiceEnds);
    if (this.#ends.length === 0) return;
    const ends = this.#ends;
    this.#ends = [];
    for (const end of ends) this.#sendDone(end);
  }

  #sendDone(end: StreamEnd): void {
    const { requestId } = end;
    const done = doneFrame(end, this.#embeddings.get(requestId));
    this.#embeddings.delete(requestId);
    this.#ring.end(requestId, done, this.#nowMs());
    if (this.#live.get(requestId) === null) this.#send?.(done);
    this.#live.delete(requestId);
  }

  /** Sends what follows a token, and what comes from now on. False when that is not kept. */
  #sendRest(id: string, from: number): boolean {
    const rest = this.#ring.restOf(id, from);
    if (rest === undefined) return false;
    const { deltas, ends, done } = rest;
    const size = protocolLimits.STEP_DELTAS_MAX;
    for (let first = 0; first < deltas.length; first += size) {
      this.#sendStep(deltas.slice(first, first + size), []);
    }
    this.#sendStep([], ends);
    if (done !== null) this.#send?.(done);
    else if (this.#live.has(id)) this.#live.set(id, null);
    return true;
  }

  #sendStep(deltas: readonly WireDelta[], ends: readonly WireEnd[]): void {
    if (deltas.length + ends.length === 0) return;
    assert(deltas.length <= protocolLimits.STEP_DELTAS_MAX, `${deltas.length} deltas in a step`);
    const frame = { type: "step" as const, step: this.#lastStepId, deltas: [...deltas] };
    this.#send?.(ends.length === 0 ? frame : { ...frame, ends: [...ends] });
  }
}

function wireDelta(delta: TokenDelta): WireDelta {
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

function wireEnd({ requestId, choice, reason }: ChoiceEnd): WireEnd {
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
    ...(end.stopString === undefined ? {} : { stop_string: end.stopString }),
    ...(embeddings === undefined || end.error !== null ? {} : { embeddings: [...embeddings] }),
    error: end.error && { code: end.error.code, message: end.error.message },
  };
}
