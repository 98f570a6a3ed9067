// Owns clients that come back to a stream with the index of their last token: which node has the answer is asked of all,
// and the answer is taken from its beginning into a sink that is silent up to that token. Invariant: an ask ends once,
// with the stream of the first node that has it, or when none does in time.
import type {
  AttachedFrame,
  ErrorValue,
  HubAttachRequest,
  RefuseFrame,
  StepFrame,
} from "@fairlane/protocol";
import { ATTACH_WAIT_MS, ATTACHMENTS_MAX, RETRY_AFTER_MS } from "../limits.ts";
import { readForm, type NotedTerms } from "./answer-form.ts";
import { liveGrantOf, type LiveRequest } from "./live-request.ts";
import type { LiveRequests } from "./live-requests.ts";
import type { NodeDirectory } from "./node-directory.ts";
import type { NodeLink } from "./node-link.ts";
import { answeringAt } from "./placement.ts";
import { StreamSink, type StreamAnswer } from "./stream-sink.ts";

interface Ask {
  readonly request: HubAttachRequest;
  /** Links that have not said no. */
  readonly asked: Set<NodeLink>;
  readonly untilMs: number;
  readonly answer: (answer: StreamAnswer) => void;
}

export class Attachments {
  readonly #live: LiveRequests;
  readonly #directory: NodeDirectory;
  readonly #startedMs: number;
  /** By request id. */
  readonly #asks = new Map<string, Ask>();

  /** @param startedMs when the object began: nodes link again within a moment of it */
  constructor(live: LiveRequests, directory: NodeDirectory, startedMs: number) {
    this.#live = live;
    this.#directory = directory;
    this.#startedMs = startedMs;
  }

  get count(): number {
    return this.#asks.size;
  }

  /** Looks for the request's answer; resolves with its stream or the error. Never rejects. */
  open(request: HubAttachRequest, nowMs: number): Promise<StreamAnswer> {
    const refusal = this.#refusalOf(request, nowMs);
    if (refusal) return Promise.resolve({ ok: false, error: refusal });
    const links = this.#linksOf(request.requestId);
    return new Promise((answer) => {
      const untilMs = Math.max(nowMs, this.#startedMs + ATTACH_WAIT_MS);
      this.#asks.set(request.requestId, { request, asked: new Set(), untilMs, answer });
      for (const link of links) this.#ask(link, request);
      this.tick(nowMs);
    });
  }

  /** A node linked: it may have what is looked for. */
  nodeLinked(link: NodeLink): void {
    for (const { request } of this.#asks.values()) this.#ask(link, request);
  }

  linkLost(link: NodeLink, nowMs: number): void {
    for (const { asked } of this.#asks.values()) asked.delete(link);
    this.tick(nowMs);
  }

  /** A step without what is looked for: a node that has it goes on meanwhile, and sends all of it once it is attached. */
  withoutAsked(frame: StepFrame): StepFrame {
    if (this.#asks.size === 0) return frame;
    return { ...frame, deltas: frame.deltas.filter(({ id }) => !this.#asks.has(id)) };
  }

  /** The node has the answer, which follows on the link. */
  attached(link: NodeLink, frame: AttachedFrame, nowMs: number): void {
    const ask = this.#asks.get(frame.id);
    if (ask?.asked.has(link) !== true) return link.cancel(frame.id);
    const form = readForm(frame.form);
    if (form === undefined) {
      link.cancel(frame.id);
      ask.asked.delete(link);
      return this.tick(nowMs);
    }
    this.#asks.delete(frame.id);
    const { request, answer } = ask;
    const { requestId, tenantId, keyId, deadlineMs, lastTokenIndex } = request;
    const sink: StreamSink = new StreamSink({
      ...form,
      silentTokens: lastTokenIndex + 1,
      readerGone: () => this.#live.cancel(requestId, sink),
    });
    const { model, prompt_tokens: promptTokens } = frame;
    const { createdMs, choiceCount } = form;
    this.#live.adopt({
      ...{ id: requestId, tenantId, keyId, sink, createdMs, deadlineMs },
      ...{ work: undefined, refusedBy: new Set(), unheardAt: undefined },
      ...termsOf(form.terms, frame),
      isAccepted: true,
      placement: answeringAt(link, { promptTokens, choiceCount }),
    });
    const createdSeconds = Math.floor(createdMs / 1_000);
    sink.accept({ requestId, model, createdSeconds, promptTokens }, nowMs);
    void sink.answer.then(answer);
  }

  /** The node does not have it. False when nobody looked for it there. */
  refused(link: NodeLink, frame: RefuseFrame, nowMs: number): boolean {
    const wasAsked = this.#asks.get(frame.id)?.asked.delete(link) === true;
    if (wasAsked) this.tick(nowMs);
    return wasAsked;
  }

  /** Ends what no node has. */
  tick(nowMs: number): void {
    for (const [id, { asked, untilMs, answer }] of this.#asks) {
      if (asked.size > 0 || nowMs < untilMs) continue;
      this.#asks.delete(id);
      const message = "No such request runs, or ran in the last half minute, or it cannot go on.";
      answer({ ok: false, error: { code: "not_found", message, param: null } });
    }
  }

  #ask(link: NodeLink, { requestId, tenantId }: HubAttachRequest): void {
    if (link.hello?.resumes !== true) return;
    this.#asks.get(requestId)?.asked.add(link);
    link.send({ type: "attach", id: requestId, tenant_id: tenantId });
  }

  /** Of a request that is answered here the node's link, taken from its reader; else all links. */
  #linksOf(requestId: string): readonly NodeLink[] {
    const live = this.#live.find(requestId);
    if (live?.placement.state !== "answering") return this.#directory.nodes.map(({ link }) => link);
    const { link } = live.placement;
    // Its reader keeps what nobody else can have.
    if (link.hello?.resumes !== true) return [];
    const message = "The stream goes on at another connection.";
    this.#live.handOver(live, { code: "client_closed_request", message, param: null });
    return [link];
  }

  #refusalOf(request: HubAttachRequest, nowMs: number): ErrorValue | undefined {
    const { requestId } = request;
    const live = this.#live.find(requestId);
    if (live !== undefined && live.tenantId !== request.tenantId) {
      return { code: "not_found", message: "No such request runs.", param: null };
    }
    const revoked = this.#live.revoked.refusalOf(request, nowMs);
    if (revoked) return revoked;
    const isHere = live !== undefined && live.placement.state !== "answering";
    if (isHere || this.#asks.has(requestId) || this.#asks.size >= ATTACHMENTS_MAX) {
      const message = isHere
        ? "The request waits for a node: try again."
        : "The stream is being looked for already, or too many are.";
      return { code: "overloaded", message, param: null, retryAfterMs: RETRY_AFTER_MS };
    }
    return undefined;
  }
}

/** What the hub that took the request knew: so its grant is renewed, and it is billed if its node's journal is lost. */
function termsOf(
  terms: NotedTerms | undefined,
  { grant_tokens: grantTokens }: AttachedFrame,
): Pick<LiveRequest, "attempt" | "grant" | "billed"> {
  if (terms === undefined) return { attempt: 1, grant: null, billed: null };
  const { attempt, projectId, keyId, priceVersion } = terms;
  const grant = liveGrantOf(terms, attempt);
  if (grant !== null && grantTokens !== undefined) grant.tokens = grantTokens;
  return { attempt, grant, billed: { projectId, keyId, priceVersion } };
}
