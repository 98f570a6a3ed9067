// Owns giving the hold of a request back that no node accepted. It may fail: the hold's lease ends it then.
import type { HubEnv } from "../env.ts";
import { SETTLE_TIMEOUT_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { objectsOf } from "../objects.ts";
import { withTimeout } from "../retry.ts";
import type { HubWork } from "./live-request.ts";

/** Tells the account; never rejects. A request without a hold has none to give back, which the account does not mind. */
export async function releaseHold(
  env: HubEnv,
  { tenantId, requestId }: Pick<HubWork, "tenantId" | "requestId">,
): Promise<void> {
  try {
    const released = objectsOf(env).account(tenantId).release(requestId);
    await withTimeout(released, SETTLE_TIMEOUT_MS);
  } catch (error) {
    logEvent("warn", "release_failed", { requestId, reason: reasonOf(error) });
  }
}
