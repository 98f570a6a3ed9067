// E5, answer: hands the hub's bytes to the client untouched, or its JSON. The hub gives the hold of a request back that
// no node accepted; in every other case a usage record, or the end of the hold's lease, settles it.
import {
  AppError,
  HUB_STREAM_URL,
  type HubCompletionRequest,
  type HubCountRequest,
  type HubEmbeddingRequest,
  type HubRequest,
} from "@fairlane/protocol";
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
export async function relayStream({ hub, request }: Work): Promise<Response> {
  const body = JSON.stringify(request);
  const headers = { "content-type": "application/json" };
  const asked = hub.fetch(HUB_STREAM_URL, { method: "POST", headers, body });
  const answer = await heard(request.requestId, asked);
  // Headers of an answer that was fetched cannot be added to.
  return new Response(answer.body, answer);
}

/** The whole answer as one JSON body. */
export async function relayCompletion({ hub, request }: Work): Promise<Response> {
  const outcome = await heard(request.requestId, hub.completeText(request));
  if (typeof outcome !== "string") throw AppError.of(outcome.error);
  return new Response(outcome, { headers: { "content-type": "application/json" } });
}

/** All vectors as one JSON body. */
export async function relayEmbeddings(work: {
  readonly hub: RegionHubStub;
  readonly request: HubEmbeddingRequest;
}): Promise<Response> {
  const outcome = await heard(work.request.requestId, work.hub.embed(work.request));
  if (outcome.ok) return Response.json(outcome.list);
  throw AppError.of(outcome.error);
}

/** The tokens of a prompt. */
export async function relayCount(work: {
  readonly hub: RegionHubStub;
  readonly request: HubCountRequest;
}): Promise<number> {
  const outcome = await heard(work.request.requestId, work.hub.countTokens(work.request));
  if (outcome.ok) return outcome.promptTokens;
  throw AppError.of(outcome.error);
}

/** What the hub says. When it is lost, whether a node accepted is unknown, so the hold stays until its lease ends. */
async function heard<Answer>(requestId: string, asked: Promise<Answer>): Promise<Answer> {
  try {
    return await asked;
  } catch (error) {
    logFailure("hub_failed", requestId, error);
    const message = "The region's hub was lost before it answered. The request may have run.";
    throw new AppError("upstream_error", message);
  }
}
