// Owns the copy of an answer that is kept under the client's Idempotency-Key, and what the account is told of it: that it
// is there, or that the request failed. Invariant: what is kept was whole; a stream that another connection took over is
// that one's to keep, and its end here says nothing of the key.
import { RetainedStore } from "@fairlane/db";
import type { Principal } from "@fairlane/protocol";
import { accountOf, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";
import { IDEMPOTENCY_TTL_MS } from "../limits.ts";

/** A stream is whole when it ends as its API has it: OpenAI's chats and completions, Responses, Messages. */
const WHOLE_STREAM =
  /^(?:data: \[DONE\]|event: response\.(?:completed|incomplete)|event: message_stop)$/m;
/** The hub's event to a reader whose place another took. Quotes of an answer's text are escaped in events. */
const TAKEN_OVER = /"code":"client_closed_request"/;

/** Whose key it is, and the request that computes. */
export interface Claim {
  readonly principal: Principal;
  readonly keyHash: string;
  readonly requestId: string;
}

type Ending =
  | { readonly kind: "whole"; readonly text: string }
  | { readonly kind: "broken" }
  | { readonly kind: "taken_over" };

/** Hands an answer on and keeps a copy. */
export async function keepAnswer(
  context: EdgeContext,
  deps: EdgeDependencies,
  computed: { readonly claim: Claim; readonly response: Response },
): Promise<Response> {
  const { claim, response } = computed;
  if (!response.ok || response.body === null) {
    forgetClaim(context, deps, claim);
    return response;
  }
  const type = response.headers.get("content-type") ?? "application/json";
  if (!type.startsWith("text/event-stream")) {
    const body = await response.text();
    settleClaim(context, deps, { claim, ending: { kind: "whole", text: keptText(type, body) } });
    return new Response(body, response);
  }
  // The runtime makes the copy, without a look at single tokens.
  const [toClient, toKeep] = response.body.tee();
  const ending = readText(toKeep).then((body): Ending => {
    if (WHOLE_STREAM.test(body)) return { kind: "whole", text: keptText(type, body) };
    return { kind: TAKEN_OVER.test(body) ? "taken_over" : "broken" };
  });
  settleClaim(context, deps, { claim, ending });
  return new Response(toClient, response);
}

/** The request failed: the next one with its key computes. */
export function forgetClaim(context: EdgeContext, deps: EdgeDependencies, claim: Claim): void {
  settleClaim(context, deps, { claim, ending: { kind: "broken" } });
}

/** What was kept, as a response. */
export function keptResponse(kept: string, requestId: string): Response {
  // Written by `keptText` below.
  const { type, body } = JSON.parse(kept) as { readonly type: string; readonly body: string };
  return new Response(body, { headers: { "content-type": type, ...replayHeaders(requestId) } });
}

/** Of every answer that another request computed. */
export function replayHeaders(requestId: string): Record<string, string> {
  return { "idempotent-replayed": "true", "x-fairlane-replayed-request-id": requestId };
}

export function retainedStore(deps: EdgeDependencies, principal: Principal): RetainedStore {
  return new RetainedStore({
    bucket: deps.config.retained,
    tenantId: principal.tenantId,
    key: principal.retainedKey,
    random: deps.random,
  });
}

function keptText(type: string, body: string): string {
  return JSON.stringify({ type, body });
}

/**
 * The text of a branch, read chunk by chunk: a read of the whole of it at once holds the other branch, the client's, back
 * until the end.
 */
async function readText(branch: ReadableStream<unknown>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  // Bytes, as of any response.
  for await (const chunk of branch) text += decoder.decode(chunk as Uint8Array, { stream: true });
  return text + decoder.decode();
}

/** Keeps an answer and says so to the account, or lets go of the key when there is none. */
function settleClaim(
  context: EdgeContext,
  deps: EdgeDependencies,
  end: { readonly claim: Claim; readonly ending: Ending | Promise<Ending> },
): void {
  const { principal, keyHash, requestId } = end.claim;
  const ref = { projectId: principal.projectId, keyHash, requestId };
  const settle = async () => {
    const account = accountOf(deps, principal.tenantId);
    try {
      const ending = await Promise.resolve(end.ending).catch((): Ending => ({ kind: "broken" }));
      if (ending.kind === "taken_over") return;
      if (ending.kind === "broken") return await account.forgetIdempotent(ref);
      const life = { nowMs: deps.clock.nowMs(), ttlMs: IDEMPOTENCY_TTL_MS };
      // One that is too large is not replayed, but not computed again either.
      const store = retainedStore(deps, principal);
      await store.put({ kind: "replay", id: requestId }, ending.text, life);
      await account.finishIdempotent(ref);
    } catch (error) {
      logFailure("idempotency_not_kept", requestId, error);
    }
  };
  context.executionCtx.waitUntil(settle());
}
