// Owns giving a hold back for a request that no node accepted. It happens beside the answer, also when the client
// has left before it, and it may fail: the hold's lease ends it then.
import { accountOf, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";

/**
 * Releases the request's hold once `isRefused` says that no node accepted it. When that is never learnt, because
 * the promise fails, the hold stays: the request may have run.
 */
export function releaseHoldIf(
  context: EdgeContext,
  deps: EdgeDependencies,
  hold: { readonly tenantId: string; readonly isRefused: Promise<boolean> },
): void {
  const requestId = context.get("requestId");
  const release = async () => {
    if (!(await hold.isRefused.catch(() => false))) return;
    try {
      await accountOf(deps, hold.tenantId).release(requestId);
    } catch (error) {
      logFailure("release_failed", requestId, error);
    }
  };
  context.executionCtx.waitUntil(release());
}
