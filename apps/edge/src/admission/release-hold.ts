// Owns giving a hold back for a request that no node accepted. It happens after the answer and may fail: the
// hold's lease ends it then.
import { accountOf, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";

/** Releases the request's hold once the answer is on its way. */
export function releaseHold(context: EdgeContext, deps: EdgeDependencies, tenantId: string): void {
  const requestId = context.get("requestId");
  context.executionCtx.waitUntil(
    accountOf(deps, tenantId)
      .release(requestId)
      .catch((error: unknown) => logFailure("release_failed", requestId, error)),
  );
}
