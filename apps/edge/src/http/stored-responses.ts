// GET and DELETE /v1/responses/{id}, POST /v1/responses/{id}/cancel: what is kept of an earlier response. A cancellation is refused: only responses in the background could be cancelled.
import { AppError, storedNames } from "@fairlane/protocol";
import { z } from "zod";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { parseQuery } from "./parse-query.ts";
import { fromStore, retainedOf } from "./retained-of.ts";
import { requireStored } from "./stored-response.ts";

export const retrieveQuery = z.object({
  stream: z.literal("false").optional(),
  "include[]": z.string().optional(),
  include: z.string().optional(),
});

export function retrieveResponseRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { stored } = await requireStored(context, deps);
    parseQuery(context, retrieveQuery);
    return Response.json(stored.answer.response);
  };
}

export function deleteResponseRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { principal, id } = await requireStored(context, deps);
    const store = retainedOf(deps, principal);
    const names = storedNames(id);
    const refs = [names.answer, names.input].map(
      (name) => ({ kind: "response", id: name }) as const,
    );
    await fromStore(context, store.delete(...refs));
    return Response.json({ id, object: "response", deleted: true });
  };
}

export function cancelResponseRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await requireStored(context, deps);
    const message = "Only responses in the background can be cancelled; close the stream instead.";
    throw new AppError("invalid_value", message, { param: "response_id" });
  };
}
