// Owns every request between its arrival at the hub and the end of its answer: bounds, placement, the node's
// frames, deadlines, keep-alives and slow readers. Invariant: a request leaves the table before its sink is ended,
// so each ends exactly once; token offsets have no gap and no overlap, or the answer ends with an error.
import type {
  AcceptFrame,
  DoneFrame,
  ErrorValue,
  RefuseFrame,
  StepFrame,
  TokenCounts,
} from "@fairlane/protocol";
import {
  LINK_WAIT_MS,
  LIVE_REQUESTS_MAX,
  RETRY_AFTER_MS,
  REVOKED_KEYS_MAX,
  STREAMS_BUFFER_BYTES_MAX,
  WAITING_BODY_CHARS_MAX,
} from "../limits.ts";
import { logEvent } from "../log.ts";
import type { AnswerSink } from "./answer-sink.ts";
import { cutSlowest } from "./cut-slowest.ts";
import { choiceCountOf, type HubWork, type LiveRequest } from "./live-request.ts";
import type { NodeDirectory } from "./node-directory.ts";
import type { NodeLink } from "./node-link.ts";
import { doneError, mayGoElsewhere, refusalError, upstreamError } from "./node-errors.ts";
import { placeRequest } from "./place-request.ts";

type Delta = StepFrame["deltas"][number];
type ChoiceEnd = NonNullable<StepFrame["ends"]>[number];

export class LiveRequests {
  readonly #directory: NodeDirectory;
  readonly #live = new Map<string, LiveRequest>();
  /** Keys revoked lately: a request that was admitted just before may arrive just after. */
  readonly #revokedKeys = new Set<string>();
  #waitingBodyChars = 0;

  constructor(directory: NodeDirectory) {
    this.#directory = directory;
  }

  get count(): number {
    return this.#live.size;
  }

  /** Takes a request; its sink hears everything else, a refusal included. */
  open(request: HubWork, sink: AnswerSink, nowMs: number): void {
    const bodyChars = JSON.stringify(request.body).length;
    const refusal = this.#refusalOf(request, bodyChars, nowMs);
    if (refusal) return sink.fail(refusal, countsOf(undefined));
    const live: LiveRequest = {
      id: request.requestId,
      tenantId: request.tenantId,
      keyId: request.keyId,
      sink,
      createdMs: request.createdMs,
      deadlineMs: request.deadlineMs,
      work: { request, bodyChars },
      refusedBy: new Set(),
      attempt: 0,
      placement: { state: "unplaced", untilMs: nowMs + LINK_WAIT_MS },
    };
    this.#live.set(live.id, live);
    this.#waitingBodyChars += bodyChars;
    this.#place(live, nowMs);
  }

  /** The reader is gone: stops the request at its node. */
  cancel(requestId: string): void {
    const live = this.#live.get(requestId);
    if (!live) return;
    this.#remove(live);
    cancelAtNode(live);
  }

  /** Ends what runs or waits for a revoked key; returns how many requests that were. */
  cancelKey(key: { readonly tenantId: string; readonly keyId: string }): number {
    const { tenantId, keyId } = key;
    const [oldest] = this.#revokedKeys;
    if (this.#revokedKeys.size >= REVOKED_KEYS_MAX && oldest) this.#revokedKeys.delete(oldest);
    this.#revokedKeys.add(`${tenantId}/${keyId}`);
    const revoked = [...this.#live.values()].filter(
      (live) => live.keyId === keyId && live.tenantId === tenantId,
    );
    for (const live of revoked) this.#fail(live, keyRevoked());
    return revoked.length;
  }

  /** A node linked or takes work again: waiting requests may go there. */
  nodeAvailable(nowMs: number): void {
    for (const live of this.#live.values()) {
      if (live.placement.state === "unplaced") this.#place(live, nowMs);
    }
  }

  /** A link is gone: its requests go elsewhere when no node accepted them, else their answers end. */
  linkLost(link: NodeLink, nowMs: number): void {
    for (const live of this.#live.values()) {
      const { placement } = live;
      if (placement.state === "unplaced" || placement.link !== link) continue;
      if (placement.state === "answering") {
        this.#fail(live, upstreamError("The node was lost while it answered."));
        continue;
      }
      live.placement = { state: "unplaced", untilMs: nowMs + LINK_WAIT_MS };
      this.#place(live, nowMs);
    }
  }

  accepted(link: NodeLink, frame: AcceptFrame, nowMs: number): void {
    const live = this.#at(link, frame.id);
    if (!live) return link.cancel(frame.id);
    if (live.placement.state !== "submitted") {
      return this.#fail(live, upstreamError("The node accepted the request twice."));
    }
    const choiceCount = choiceCountOf(live.work?.request);
    live.placement = {
      state: "answering",
      link,
      promptTokens: frame.prompt_tokens,
      outputTokens: 0,
      choiceTokens: Array.from({ length: choiceCount }, () => 0),
    };
    this.#dropWork(live);
    const createdSeconds = Math.floor(live.createdMs / 1_000);
    live.sink.accept({ requestId: live.id, model: frame.model, createdSeconds }, nowMs);
  }

  refused(link: NodeLink, frame: RefuseFrame, nowMs: number): void {
    const live = this.#at(link, frame.id);
    if (!live) return;
    if (live.placement.state === "submitted" && mayGoElsewhere(frame.code)) {
      live.refusedBy.add(link.nodeId);
      // Only to a node that is there: a refusal is an answer, so nobody waits for another one to link.
      live.placement = { state: "unplaced", untilMs: nowMs };
      if (placeRequest(live, this.#directory, nowMs) === undefined) return;
    }
    this.#remove(live);
    live.sink.fail(refusalError(frame), countsOf(live));
  }

  stepped(link: NodeLink, frame: StepFrame, nowMs: number): void {
    for (const delta of frame.deltas) {
      const live = this.#at(link, delta.id);
      // Late frames of what was cancelled; for an id that was not, the node is told now.
      if (live) this.#delta(live, delta, nowMs);
      else link.cancel(delta.id);
    }
    for (const end of frame.ends ?? []) {
      const live = this.#at(link, end.id);
      if (live) this.#choiceEnd(live, end, nowMs);
    }
  }

  done(link: NodeLink, frame: DoneFrame): void {
    const live = this.#at(link, frame.id);
    if (!live) return;
    this.#remove(live);
    if (live.placement.state !== "answering") {
      return live.sink.fail(
        upstreamError("The node ended what it had not accepted."),
        countsOf(live),
      );
    }
    const { finish_reason: reason, usage } = frame;
    const counts = {
      promptTokens: usage.prompt_tokens,
      cachedTokens: usage.cached_tokens,
      outputTokens: usage.completion_tokens,
    };
    if (reason === "stop" || reason === "length")
      live.sink.finish(reason, counts, frame.embeddings);
    else live.sink.fail(doneError(frame), counts);
  }

  /** Deadlines, keep-alives, slow readers. */
  tick(nowMs: number): void {
    let bufferedBytes = 0;
    for (const live of this.#live.values()) {
      const error = timeoutOf(live, nowMs);
      if (error) this.#fail(live, error);
      else if (live.placement.state === "answering" && live.sink.tick(nowMs) === "gone") {
        this.cancel(live.id);
      } else bufferedBytes += live.sink.bufferedBytes;
    }
    if (bufferedBytes <= STREAMS_BUFFER_BYTES_MAX) return;
    const excessBytes = bufferedBytes - STREAMS_BUFFER_BYTES_MAX;
    for (const live of cutSlowest([...this.#live.values()], excessBytes)) {
      this.cancel(live.id);
      live.sink.cut();
    }
  }

  #delta(live: LiveRequest, delta: Delta, nowMs: number): void {
    const { placement } = live;
    const { text, logprobs, reasoning, calls, choice = 0 } = delta;
    const isAnswering = placement.state === "answering";
    if (!isAnswering || delta.from !== placement.choiceTokens[choice]) {
      return this.#fail(live, upstreamError("The node's tokens came out of order."));
    }
    placement.outputTokens += delta.n;
    placement.choiceTokens[choice] = delta.from + delta.n;
    if (text === "" && !logprobs && !reasoning && !calls) return;
    const tokenIndex = placement.outputTokens - 1;
    const said = { text, choice, logprobs, reasoning, calls, tokenIndex, nowMs };
    const state = live.sink.write(said);
    if (state === "gone") this.#readerGone(live, placement.outputTokens);
  }

  #choiceEnd(live: LiveRequest, end: ChoiceEnd, nowMs: number): void {
    const { placement, sink } = live;
    if (placement.state !== "answering") return;
    const state = sink.finishChoice(end.choice, end.finish_reason, nowMs);
    if (state === "gone") this.#readerGone(live, placement.outputTokens);
  }

  #readerGone(live: LiveRequest, outputTokens: number): void {
    logEvent("info", "reader_gone", { requestId: live.id, outputTokens });
    this.cancel(live.id);
  }

  /** Places an unplaced request, or ends it. */
  #place(live: LiveRequest, nowMs: number): void {
    const error = placeRequest(live, this.#directory, nowMs);
    if (error) this.#fail(live, error);
  }

  #refusalOf(request: HubWork, bodyChars: number, nowMs: number): ErrorValue | undefined {
    if (this.#live.has(request.requestId)) {
      const message = `Request ${request.requestId} is running already.`;
      return { code: "already_exists", message, param: null };
    }
    if (this.#revokedKeys.has(`${request.tenantId}/${request.keyId}`)) return keyRevoked();
    const isFull =
      this.#live.size >= LIVE_REQUESTS_MAX ||
      this.#waitingBodyChars + bodyChars > WAITING_BODY_CHARS_MAX;
    if (isFull) {
      const message = "The region's hub has as many requests as it may.";
      return { code: "overloaded", message, param: null, retryAfterMs: RETRY_AFTER_MS };
    }
    return nowMs >= request.deadlineMs ? deadlinePassed() : undefined;
  }

  /** The live request of this id, if it is at this link. */
  #at(link: NodeLink, requestId: string): LiveRequest | undefined {
    const live = this.#live.get(requestId);
    if (!live || live.placement.state === "unplaced") return undefined;
    return live.placement.link === link ? live : undefined;
  }

  #fail(live: LiveRequest, error: ErrorValue): void {
    this.#remove(live);
    cancelAtNode(live);
    live.sink.fail(error, countsOf(live));
  }

  #remove(live: LiveRequest): void {
    this.#live.delete(live.id);
    this.#dropWork(live);
  }

  #dropWork(live: LiveRequest): void {
    this.#waitingBodyChars -= live.work?.bodyChars ?? 0;
    live.work = undefined;
  }
}

function cancelAtNode(live: LiveRequest): void {
  if (live.placement.state !== "unplaced") live.placement.link.cancel(live.id);
}

function countsOf(live: LiveRequest | undefined): TokenCounts {
  const placement = live?.placement.state === "answering" ? live.placement : undefined;
  return {
    promptTokens: placement?.promptTokens ?? 0,
    cachedTokens: 0,
    outputTokens: placement?.outputTokens ?? 0,
  };
}

function timeoutOf(live: LiveRequest, nowMs: number): ErrorValue | undefined {
  if (nowMs >= live.deadlineMs) return deadlinePassed();
  if (live.placement.state === "answering" || nowMs < live.placement.untilMs) return undefined;
  if (live.placement.state === "submitted") {
    return upstreamError("The node did not say whether it takes the request.");
  }
  const message = "No node linked in time.";
  return { code: "no_capacity", message, param: null, retryAfterMs: RETRY_AFTER_MS };
}

function keyRevoked(): ErrorValue {
  return { code: "invalid_api_key", message: "The API key was revoked.", param: null };
}

function deadlinePassed(): ErrorValue {
  const message = "The request's deadline passed before its answer was complete.";
  return { code: "queue_timeout", message, param: null };
}
