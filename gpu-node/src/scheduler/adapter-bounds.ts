// Owns what a request's adapter means for whether the request can ever be served. Invariant: what passes fits an empty
// pool together with its adapter.
import type { ErrorValue } from "@fairlane/protocol";
import type { EngineRequest } from "../engine/worker-messages.ts";
import type { EngineBounds } from "./check-request.ts";
import type { SchedulerParts } from "./scheduler-parts.ts";

/** The error of a request whose adapter is not known here; null otherwise. */
export function adapterRefusal(
  { adapter }: EngineRequest,
  { adapters }: Pick<SchedulerParts, "adapters">,
): ErrorValue | null {
  if (adapter === undefined || adapters?.has(adapter.digest) === true) return null;
  const message = "The request's adapter does not exist on this node.";
  return { code: "model_not_found", message, param: "model" };
}

/** What of the engine is left beside the request's adapter. */
export function boundsOf(
  { adapter }: EngineRequest,
  { info, adapters }: Pick<SchedulerParts, "info" | "adapters">,
): EngineBounds {
  if (adapter === undefined || adapters === null) return info;
  return { ...info, pageCount: info.pageCount - adapters.pagesOf(adapter.digest) };
}
