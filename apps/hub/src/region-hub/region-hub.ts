// One shard of a region's hub: wires links, routing and live answers together. Writes no storage: a commit would
// hold every stream back behind the output gate, and nothing here outlives the object anyway.
import { DurableObject } from "cloudflare:workers";
import {
  HUB_ATTACH_URL,
  HUB_STREAM_URL,
  SSE_HEADERS,
  type AdapterResidency,
  type CompleteOutcome,
  type CountOutcome,
  type EmbedOutcome,
  type FleetStanding,
  type HeartbeatFrame,
  type HelloFrame,
  type HubAttachRequest,
  type HubCompletionRequest,
  type HubCountRequest,
  type HubEmbeddingRequest,
  type HubRequest,
  type ModelCard,
} from "@fairlane/protocol";
import { hubConfig, regionOf, type HubEnv, type ShardRpc } from "../env.ts";
import { LINKS_MAX, TICK_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { objectsOf } from "../objects.ts";
import { answerKeeper } from "../retained/keep-answer.ts";
import { systemClock } from "../system-clock.ts";
import { answerForm } from "./answer-form.ts";
import type { AnswerSink } from "./answer-sink.ts";
import { Attachments } from "./attachments.ts";
import { CompletionSink } from "./completion-sink.ts";
import { CountSink } from "./count-sink.ts";
import { Deliveries } from "./deliveries.ts";
import { EmbeddingSink } from "./embedding-sink.ts";
import { errorResponse } from "./error-response.ts";
import type { HubWork } from "./live-request.ts";
import { LiveRequests } from "./live-requests.ts";
import { FleetMerge } from "./merge-fleet.ts";
import { NodeDirectory } from "./node-directory.ts";
import { NodeLink, type WorkFrame } from "./node-link.ts";
import { NODE_NAME_HEADER, SHARD_HEADER } from "./open-link.ts";
import { releaseHold } from "./release-hold.ts";
import { UsageRelay } from "./relay-usage.ts";
import type { WorkOwner } from "./revoked-work.ts";
import { GrantRenewals } from "./renew-grants.ts";
import { StreamSink } from "./stream-sink.ts";

type Refused = Extract<CompleteOutcome, { readonly ok: false }>;

/** The shard that all nodes of the region are linked to for fairness; their usage goes there too. */
const FLEET_SHARD = 0;

export class RegionHub extends DurableObject<HubEnv> implements ShardRpc {
  readonly #directory = new NodeDirectory();
  readonly #deliveries = new Deliveries(
    () => this.#intake(),
    (live) => this.#live.find(live.id) === live,
  );
  readonly #live = new LiveRequests(this.#directory);
  readonly #attachments = new Attachments(this.#live, this.#directory, systemClock.nowMs());
  readonly #boot = crypto.randomUUID();
  readonly #grants = new GrantRenewals((tenantId) => objectsOf(this.env).account(tenantId));
  /** Every open link, greeted or not, with its way for usage. At most LINKS_MAX. */
  readonly #links = new Map<NodeLink, UsageRelay>();
  /** Fairness over the region: the links of shard 0 carry it, other shards know nothing of it. */
  readonly #fleet = new FleetMerge(() => this.#intake());
  #ticker: ReturnType<typeof setInterval> | null = null;

  /** Streams and links. Not reachable from outside: the script's fetch and the edge are its only callers. */
  override async fetch(request: Request): Promise<Response> {
    if (request.url === HUB_STREAM_URL) return this.#stream(request);
    if (request.url === HUB_ATTACH_URL) return this.#attach(request);
    return this.#link(request);
  }

  async complete(request: HubRequest | HubCompletionRequest): Promise<CompleteOutcome> {
    const outcome = await this.#answer(request, new CompletionSink(answerForm(request)));
    if (outcome.ok && !("endpoint" in request)) {
      await answerKeeper(this.env, request, systemClock)?.(outcome.completion);
    }
    return outcome;
  }

  async completeText(request: HubRequest | HubCompletionRequest): Promise<string | Refused> {
    const outcome = await this.complete(request);
    return outcome.ok ? JSON.stringify(outcome.completion) : outcome;
  }

  async embed(request: HubEmbeddingRequest): Promise<EmbedOutcome> {
    const sink = new EmbeddingSink({ isBase64: request.body.encoding_format === "base64" });
    return this.#answer(request, sink);
  }

  async countTokens(request: HubCountRequest): Promise<CountOutcome> {
    return this.#answer(request, new CountSink());
  }

  async listModels(): Promise<readonly ModelCard[]> {
    return this.#directory.models();
  }

  async adapterResidency(digests: readonly string[]): Promise<readonly AdapterResidency[]> {
    return this.#directory.residency(digests);
  }

  async fairShare(tenantId?: string): Promise<FleetStanding | null> {
    return this.#fleet.standing(this.#region(), tenantId);
  }

  async cancelWork(owner: WorkOwner): Promise<number> {
    return this.#live.cancelWork(owner, systemClock.nowMs());
  }

  async #answer<Outcome extends { readonly ok: true }>(
    request: HubWork,
    sink: AnswerSink & { readonly outcome: Promise<Outcome | Refused> },
  ): Promise<Outcome | Refused> {
    try {
      this.#open(request, sink);
      const outcome: Outcome | Refused = await sink.outcome;
      if (!outcome.ok && !outcome.accepted) this.#release(request);
      return outcome;
    } catch (error) {
      const { requestId } = request;
      logEvent("error", "complete_failed", { requestId, reason: reasonOf(error) });
      const message = "The hub failed to handle the request.";
      return { ok: false, error: { code: "internal_error", message, param: null }, accepted: true };
    }
  }

  async #stream(incoming: Request): Promise<Response> {
    // From the edge, which has validated it; nobody else reaches the object.
    const request = await incoming.json<HubRequest | HubCompletionRequest>();
    const { requestId } = request;
    const sink: StreamSink = new StreamSink({
      ...answerForm(request),
      readerGone: () => this.#live.cancel(requestId, sink),
      retain: "endpoint" in request ? undefined : answerKeeper(this.env, request, systemClock),
    });
    this.#open(request, sink);
    // A client that leaves before the status line; afterwards the stream's own cancellation tells.
    const gone = new Promise<undefined>((resolve) => {
      if (incoming.signal.aborted) resolve(undefined);
      incoming.signal.addEventListener("abort", () => resolve(undefined));
    });
    const answer = await Promise.race([sink.answer, gone]);
    if (answer === undefined) this.#live.cancel(requestId, sink);
    if (answer?.ok !== true) this.#release(request);
    if (answer === undefined) {
      const message = "The client went away before a node answered.";
      return errorResponse({ code: "client_closed_request", message, param: null });
    }
    if (!answer.ok) return errorResponse(answer.error);
    return new Response(answer.stream, { headers: SSE_HEADERS });
  }

  /** The rest of a stream, for a client that comes back to it. */
  async #attach(incoming: Request): Promise<Response> {
    const request = await incoming.json<HubAttachRequest>();
    this.#startTicking();
    const answer = await this.#attachments.open(request, systemClock.nowMs());
    if (!answer.ok) return errorResponse(answer.error);
    return new Response(answer.stream, { headers: SSE_HEADERS });
  }

  /** No node accepted: nothing was computed, and no usage record will settle the hold. */
  #release(request: HubWork): void {
    // Of a request that is live under this id already the hold stays.
    if (this.#live.find(request.requestId) !== undefined) return;
    this.ctx.waitUntil(releaseHold(this.env, request));
  }

  #link(request: Request): Response {
    const nodeId = request.headers.get(NODE_NAME_HEADER) ?? "";
    if (this.#links.size >= LINKS_MAX) {
      const message = `The shard has ${LINKS_MAX} links already.`;
      return errorResponse({ code: "overloaded", message, param: null });
    }
    const { shardCount } = hubConfig(this.env);
    const region = this.#region();
    const { 0: theirs, 1: ours } = new WebSocketPair();
    ours.accept();
    // Blobs would be read asynchronously and out of order; binary frames are refused anyway.
    ours.binaryType = "arraybuffer";
    const link: NodeLink = new NodeLink({
      socket: ours,
      nodeId,
      region,
      shard: Number(request.headers.get(SHARD_HEADER)),
      shardCount,
      hubBoot: this.#boot,
      clock: systemClock,
      events: {
        greeted: (hello) => this.#directory.refusalOf(hello),
        linked: (_, hello) => this.#linked(link, hello),
        frame: (_, frame) => this.#frame(link, frame),
        lost: () => this.#lost(link),
      },
    });
    this.#links.set(link, new UsageRelay(link, () => this.#intake()));
    this.#startTicking();
    return new Response(null, { status: 101, webSocket: theirs });
  }

  #region(): string {
    return regionOf(hubConfig(this.env), this.ctx.id.name);
  }

  #intake() {
    return objectsOf(this.env).intake(this.#region());
  }

  #open(request: HubWork, sink: AnswerSink): void {
    this.#live.open(request, sink, systemClock.nowMs());
    this.#startTicking();
  }

  #linked(link: NodeLink, hello: HelloFrame): void {
    const replaced = this.#directory.add(link, hello);
    logEvent("info", "node_linked", { nodeId: link.nodeId, epoch: hello.epoch });
    replaced?.close("replaced by a newer link of the same node");
    if (link.shard === FLEET_SHARD) this.#fleet.linked(link, hello.epoch);
    const nowMs = systemClock.nowMs();
    this.#live.nodeLinked(link, hello, nowMs);
    this.#grants.resend(link, this.#live.values());
    this.#deliveries.linked(link.nodeId, hello.epoch, nowMs);
    this.#attachments.nodeLinked(link);
    this.#live.nodeAvailable(nowMs);
  }

  #frame(link: NodeLink, frame: WorkFrame): void {
    const nowMs = systemClock.nowMs();
    switch (frame.type) {
      case "accept":
        this.#live.accepted(link, frame, nowMs);
        return this.#deliveries.accepted(this.#live.find(frame.id), frame);
      case "refuse":
        if (this.#attachments.refused(link, frame, nowMs)) return;
        this.#directory.ended(link);
        return this.#live.refused(link, frame, nowMs);
      case "attached":
        this.#attachments.attached(link, frame, nowMs);
        return this.#deliveries.accepted(this.#live.find(frame.id), frame);
      case "step":
        this.#live.stepped(link, this.#attachments.withoutAsked(frame), nowMs);
        return this.#grants.renew(this.#live.named(frame.deltas), nowMs);
      case "done":
        this.#directory.ended(link);
        return this.#live.done(link, frame);
      case "heartbeat":
        return this.#heartbeat(link, frame, nowMs);
      case "usage":
        if (frame.node_id !== link.nodeId) return link.close("usage of another node");
        this.#links.get(link)?.push(frame);
    }
  }

  #heartbeat(link: NodeLink, frame: HeartbeatFrame, nowMs: number): void {
    if (this.#directory.heartbeat(link, frame)) this.#live.nodeAvailable(nowMs);
    if (frame.service === undefined) return;
    const refusal = this.#fleet.reported(link, frame.service);
    if (refusal !== undefined) link.close(refusal);
  }

  #lost(link: NodeLink): void {
    this.#links.delete(link);
    this.#fleet.lost(link);
    const nowMs = systemClock.nowMs();
    // One that was replaced is not gone.
    if (this.#directory.remove(link)) this.#deliveries.linkLost(link.nodeId, nowMs);
    this.#live.linkLost(link, nowMs);
    this.#attachments.linkLost(link, nowMs);
  }

  // One interval for the whole shard, and none while there is nothing to watch: an idle object may be put away.
  #startTicking(): void {
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    const nowMs = systemClock.nowMs();
    for (const link of this.#links.keys()) link.check(nowMs);
    this.#live.tick(nowMs);
    this.#attachments.tick(nowMs);
    this.#grants.renew(this.#live.values(), nowMs);
    this.#deliveries.tick(nowMs);
    this.#fleet.tick(nowMs);
    const isWatched = this.#links.size + this.#live.count + this.#attachments.count > 0;
    if (isWatched || this.#deliveries.isBusy || this.#ticker === null) return;
    clearInterval(this.#ticker);
    this.#ticker = null;
  }
}
