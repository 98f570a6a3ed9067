// GET /v1/fairlane/requests/{request}/stream: the rest of an event stream whose connection was lost, from the token after
// the one that Last-Event-ID names. Owns who may ask, and from where on. The
// tenant whose request it was may read it, with any of its keys for inference, and nobody else learns that it exists.
import { AppError } from "@fairlane/protocol";
import { admit } from "../admission/admit.ts";
import { authenticate } from "../auth/authenticate.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { attachStream } from "../stream/attach-stream.ts";

const REQUEST_ID = /^req_[0-9a-z]{1,64}$/;
/** An index of an output token. */
const TOKEN_INDEX = /^[0-9]{1,9}$/;

export function requestStreamRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const claim = await authenticate(context.req.raw.headers, deps.config.keyPepper);
    const principal = await admit(context, deps, { claim, scope: "inference", hold: null });
    const { tenantId, keyId } = principal;
    const requestId = context.req.param("request") ?? "";
    if (!REQUEST_ID.test(requestId)) {
      throw new AppError("not_found", "A request's id is `req_` and what its answer said.");
    }
    const lastTokenIndex = lastIndexOf(context.req.header("last-event-id"));
    const answer = await attachStream(context, deps, {
      requestId,
      tenantId,
      keyId,
      lastTokenIndex,
    });
    return new Response(answer.body, answer);
  };
}

function lastIndexOf(header: string | undefined): number {
  if (header === undefined || header === "") return -1;
  if (TOKEN_INDEX.test(header)) return Number(header);
  const message = "Last-Event-ID is the `id` of an event of the stream: the index of a token.";
  throw new AppError("invalid_value", message, { param: "Last-Event-ID" });
}
