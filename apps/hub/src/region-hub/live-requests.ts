// Owns every request between its arrival at the hub and the end of its answer: bounds, placement, the node's
// frames, lost links, deadlines, keep-alives and slow readers. Invariant: a request leaves the table before its sink
// is ended, so each ends exactly once; one that has a token stays with its node until it ends or that node is gone.
import type {
  AcceptFrame,
  DoneFrame,
  ErrorValue,
  HelloFrame,
  RefuseFrame,
  ResumeFrame,
  StepFrame,
} from "@fairlane/protocol";
import {
  ACCEPT_WAIT_MS,
  KEPT_BODY_CHARS_MAX,
  LINK_WAIT_MS,
  LIVE_REQUESTS_MAX,
  RESUME_FIRST_WAIT_MS,
  RESUME_WAIT_MS,
  STREAMS_BUFFER_BYTES_MAX,
  WAITING_BODY_CHARS_MAX,
} from "../limits.ts";
import { logEvent } from "../log.ts";
import { applyChoiceEnd, applyDelta } from "./answer-progress.ts";
import type { AnswerSink } from "./answer-sink.ts";
import { cutSlowest } from "./cut-slowest.ts";
import { choiceCountOf, newLive, type HubWork, type LiveRequest } from "./live-request.ts";
import type { NodeDirectory } from "./node-directory.ts";
import type { NodeLink } from "./node-link.ts";
import { doneError, mayGoElsewhere, refusalError, upstreamError } from "./node-errors.ts";
import { answeringAt, isUnheardBy, resumeAt } from "./placement.ts";
import { placeRequest } from "./place-request.ts";
import { countsOf, countsOfDone, lostNodeIsDue, timeoutOf } from "./request-ends.ts";
import { deadlinePassed, nodeLost, shardFull } from "./request-errors.ts";
import { endOf, RevokedWork, type WorkOwner } from "./revoked-work.ts";

export class LiveRequests {
  readonly #directory: NodeDirectory;
  readonly #live = new Map<string, LiveRequest>();
  /** Keys and tenants whose work was ended lately. */
  readonly revoked = new RevokedWork();
  #waitingBodyChars = 0;

  constructor(directory: NodeDirectory) {
    this.#directory = directory;
  }

  get count(): number {
    return this.#live.size;
  }

  /** The request, if it is live here. */
  find(requestId: string): LiveRequest | undefined {
    return this.#live.get(requestId);
  }

  /** Every request that is here now. */
  values(): Iterable<LiveRequest> {
    return this.#live.values();
  }

  /** Those of a frame that are still here. */
  named(deltas: readonly { readonly id: string }[]): readonly LiveRequest[] {
    return deltas.flatMap(({ id }) => this.#live.get(id) ?? []);
  }

  /** Takes a request; its sink hears everything else, a refusal included. */
  open(request: HubWork, sink: AnswerSink, nowMs: number): void {
    const bodyChars = JSON.stringify(request.body).length;
    const refusal = this.#refusalOf(request, bodyChars, nowMs);
    if (refusal) return sink.fail(refusal, countsOf(undefined));
    const live = newLive({ request, bodyChars }, sink, nowMs + LINK_WAIT_MS);
    this.#live.set(live.id, live);
    this.#waitingBodyChars += bodyChars;
    this.#place(live, nowMs);
  }

  /** Takes a request that a node answers already, for a client that came back. */
  adopt(live: LiveRequest): void {
    this.#live.set(live.id, live);
  }

  /** Gives a live request's reader up for another one; the node goes on. */
  handOver(live: LiveRequest, error: ErrorValue): void {
    this.#remove(live);
    live.sink.fail(error, countsOf(live));
  }

  /** The reader is gone: stops the request at its node. A reader that was replaced stops nothing. */
  cancel(requestId: string, reader?: AnswerSink): void {
    const live = this.#live.get(requestId);
    if (!live || (reader !== undefined && live.sink !== reader)) return;
    this.#remove(live);
    cancelAtNode(live);
  }

  /** Ends what runs or waits for a revoked key or a suspended tenant; returns how many requests that were. */
  cancelWork(owner: WorkOwner, nowMs: number): number {
    const { tenantId, keyId } = owner;
    this.revoked.add(owner, nowMs);
    const ended = [...this.#live.values()].filter(
      (live) => live.tenantId === tenantId && (keyId === null || live.keyId === keyId),
    );
    for (const live of ended) this.#fail(live, endOf(owner));
    return ended.length;
  }

  /** A node linked: what it answered before goes on where it is the same boot, and ends otherwise. */
  nodeLinked(link: NodeLink, hello: HelloFrame, nowMs: number): void {
    const requests: ResumeFrame["requests"] = [];
    for (const live of this.#live.values()) {
      const { placement } = live;
      if (placement.state === "answering" && placement.link.nodeId === link.nodeId) {
        if (placement.link.hello?.epoch !== hello.epoch) this.#nodeGone(live, nowMs);
        else requests.push({ id: live.id, from: resumeAt(placement, link) });
      } else if (placement.state === "unplaced" && isUnheardBy(live.unheardAt, hello)) {
        live.placement = { state: "submitted", link, untilMs: nowMs + ACCEPT_WAIT_MS };
        requests.push({ id: live.id, from: 0, unaccepted: true });
      }
    }
    if (hello.resumes === true) link.send({ type: "resume", requests });
  }

  /** A node linked or takes work again: waiting requests may go there. */
  nodeAvailable(nowMs: number): void {
    for (const live of this.#live.values()) {
      if (live.placement.state === "unplaced") this.#place(live, nowMs);
    }
  }

  /** A link is gone: its requests wait for their node or go elsewhere, or their answers end. */
  linkLost(link: NodeLink, nowMs: number): void {
    for (const live of this.#live.values()) {
      const { placement } = live;
      if (placement.state === "unplaced" || placement.link !== link) continue;
      if (placement.state === "answering") {
        const waitMs = placement.outputTokens > 0 ? RESUME_WAIT_MS : RESUME_FIRST_WAIT_MS;
        if (link.mayResume) placement.lostUntilMs = nowMs + waitMs;
        else this.#nodeGone(live, nowMs);
        continue;
      }
      const { nodeId, hello } = link;
      if (link.mayResume && hello) live.unheardAt = { nodeId, epoch: hello.epoch };
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
    live.placement = answeringAt(link, { promptTokens: frame.prompt_tokens, choiceCount });
    live.unheardAt = undefined;
    if (this.#waitingBodyChars > KEPT_BODY_CHARS_MAX) this.#dropWork(live);
    if (live.isAccepted) return;
    live.isAccepted = true;
    const createdSeconds = Math.floor(live.createdMs / 1_000);
    const { model, prompt_tokens: promptTokens } = frame;
    live.sink.accept({ requestId: live.id, model, createdSeconds, promptTokens }, nowMs);
  }

  refused(link: NodeLink, frame: RefuseFrame, nowMs: number): void {
    const live = this.#at(link, frame.id);
    if (!live) return;
    if (live.placement.state === "submitted" && live.unheardAt && frame.code === "not_found") {
      // The submission was lost with the link: the same node may have it now.
      live.unheardAt = undefined;
      live.placement = { state: "unplaced", untilMs: nowMs + LINK_WAIT_MS };
      return this.#place(live, nowMs);
    }
    if (live.placement.state === "submitted" && mayGoElsewhere(frame.code)) {
      live.refusedBy.add(link.nodeId);
      // Only to a node that is there: a refusal is an answer, so nobody waits for another one to link.
      live.placement = { state: "unplaced", untilMs: nowMs };
      if (placeRequest(live, this.#directory, nowMs) === undefined) return;
    }
    this.#remove(live);
    const isAnswering = live.placement.state === "answering";
    live.sink.fail(isAnswering ? nodeLost() : refusalError(frame), countsOf(live));
  }

  stepped(link: NodeLink, frame: StepFrame, nowMs: number): void {
    for (const delta of frame.deltas) {
      const live = this.#at(link, delta.id);
      // Late frames of what was cancelled; for an id that was not, the node is told now.
      if (!live) {
        link.cancel(delta.id);
        continue;
      }
      const state = applyDelta(live, delta, nowMs);
      if (live.work) this.#dropWork(live);
      if (state === "gone") this.#readerGone(live);
      if (state !== "disorder") continue;
      this.#fail(live, upstreamError("The node's tokens came out of order."));
    }
    for (const end of frame.ends ?? []) {
      const live = this.#at(link, end.id);
      if (live && applyChoiceEnd(live, end, nowMs) === "gone") this.#readerGone(live);
    }
  }

  done(link: NodeLink, frame: DoneFrame): void {
    const live = this.#at(link, frame.id);
    if (!live) return;
    this.#remove(live);
    if (live.placement.state !== "answering") {
      const error = upstreamError("The node ended what it had not accepted.");
      return live.sink.fail(error, countsOf(live));
    }
    const { finish_reason: reason } = frame;
    const counts = countsOfDone(frame);
    const extras = { embeddings: frame.embeddings, stopString: frame.stop_string };
    const isWhole = reason === "stop" || reason === "length";
    if (isWhole) live.sink.finish(reason, counts, extras);
    else live.sink.fail(doneError(frame), counts);
  }

  /** Deadlines, keep-alives, slow readers, nodes that did not come back. */
  tick(nowMs: number): void {
    let bufferedBytes = 0;
    for (const live of this.#live.values()) {
      const error = timeoutOf(live, nowMs);
      if (error) this.#fail(live, error);
      else if (live.isAccepted && live.sink.tick(nowMs) === "gone") this.cancel(live.id);
      else bufferedBytes += live.sink.bufferedBytes;
      if (lostNodeIsDue(live, nowMs)) this.#nodeGone(live, nowMs);
    }
    if (bufferedBytes <= STREAMS_BUFFER_BYTES_MAX) return;
    const excessBytes = bufferedBytes - STREAMS_BUFFER_BYTES_MAX;
    for (const live of cutSlowest([...this.#live.values()], excessBytes)) {
      this.cancel(live.id);
      live.sink.cut();
    }
  }

  /** Its node will not go on: another one may, as long as the client has no token. */
  #nodeGone(live: LiveRequest, nowMs: number): void {
    if (!this.#live.has(live.id)) return;
    if (!live.work) return this.#fail(live, nodeLost());
    live.placement = { state: "unplaced", untilMs: nowMs + LINK_WAIT_MS };
    this.#place(live, nowMs);
  }

  #readerGone(live: LiveRequest): void {
    logEvent("info", "reader_gone", { requestId: live.id, ...countsOf(live) });
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
    const revoked = this.revoked.refusalOf(request, nowMs);
    if (revoked) return revoked;
    const isFull =
      this.#live.size >= LIVE_REQUESTS_MAX ||
      this.#waitingBodyChars + bodyChars > WAITING_BODY_CHARS_MAX;
    if (isFull) return shardFull();
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
