// E5, answer: hands the hub's bytes to the client untouched, or its JSON. Invariant: the hold of a request is
// given back here only when the hub says that no node accepted it; in every other case a usage record, or the
// end of the hold's lease, settles it.
import {
  AppError,
  HUB_ACCEPTED_HEADER,
  HUB_STREAM_URL,
  type CompleteOutcome,
  type HubCompletionRequest,
  type HubCountRequest,
  type HubEmbeddingRequest,
  type HubRequest,
} from "@fairlane/protocol";
import { releaseHoldIf } from "../admission/release-hold.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import type { RegionHubStub } from "../env.ts";
import { logFailure } from "../errors/log-failure.ts";

interface Work {
  readonly hub: RegionHubStub;
  readonly request: HubRequest | HubCompletionRequest;
}

/**
 * An event stream: the status line waits for a node's word, so a refusal is a proper HTTP error. The hub is not
 * told of a client that leaves before that, which takes milliseconds; afterwards the body's cancellation tells it.
 */
export async function relayStream(
  context: EdgeContext,
  deps: EdgeDependencies,
  { hub, request }: Work,
): Promise<Response> {
  const answering = hub.fetch(HUB_STREAM_URL, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
  });
  const isRefused = answering.then((answer) => answer.headers.get(HUB_ACCEPTED_HEADER) === "0");
  releaseHoldIf(context, deps, { tenantId: request.tenantId, isRefused });
  const answer = await answering.catch((error: unknown) => hubFailed(request.requestId, error));
  const headers = new Headers(answer.headers);
  headers.delete(HUB_ACCEPTED_HEADER);
  return new Response(answer.body, { status: answer.status, headers });
}

/** The whole answer as one JSON body. */
export async function relayCompletion(
  context: EdgeContext,
  deps: EdgeDependencies,
  { hub, request }: Work,
): Promise<Response> {
  const outcome = await relayOutcome(context, deps, { request, answering: hub.complete(request) });
  if (outcome.ok) return Response.json(outcome.completion);
  throw AppError.of(outcome.error);
}

/** All vectors as one JSON body. */
export async function relayEmbeddings(
  context: EdgeContext,
  deps: EdgeDependencies,
  work: { readonly hub: RegionHubStub; readonly request: HubEmbeddingRequest },
): Promise<Response> {
  const { hub, request } = work;
  const outcome = await relayOutcome(context, deps, { request, answering: hub.embed(request) });
  if (outcome.ok) return Response.json(outcome.list);
  throw AppError.of(outcome.error);
}

/** The tokens of a prompt. No hold was taken for it, so none is given back. */
export async function relayCount(
  context: EdgeContext,
  work: { readonly hub: RegionHubStub; readonly request: HubCountRequest },
): Promise<number> {
  const { hub, request } = work;
  const requestId = context.get("requestId");
  const outcome = await hub
    .countTokens(request)
    .catch((error: unknown) => hubFailed(requestId, error));
  if (outcome.ok) return outcome.promptTokens;
  throw AppError.of(outcome.error);
}

type Refused = Extract<CompleteOutcome, { readonly ok: false }>;

/** The hub's outcome; the hold is given back when no node accepted. */
async function relayOutcome<Outcome extends { readonly ok: true } | Refused>(
  context: EdgeContext,
  deps: EdgeDependencies,
  work: {
    readonly request: Pick<HubRequest, "requestId" | "tenantId">;
    readonly answering: Promise<Outcome>;
  },
): Promise<Outcome> {
  const { request, answering } = work;
  const isRefused = answering.then((outcome) => !outcome.ok && !outcome.accepted);
  releaseHoldIf(context, deps, { tenantId: request.tenantId, isRefused });
  return answering.catch((error: unknown) => hubFailed(request.requestId, error));
}

/** The hub was lost: whether a node accepted is unknown, so the hold stays until its lease ends. */
function hubFailed(requestId: string, error: unknown): never {
  logFailure("hub_failed", requestId, error);
  const message = "The region's hub was lost before it answered. The request may have run.";
  throw new AppError("upstream_error", message);
}
